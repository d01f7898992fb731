//! `cargo xtask images`: the images of the four services and of the command, from one build.

mod bill;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use servers::Podman;

use crate::command::{cargo, command, passes};
use crate::{needs, workspace};

/// One program an image, and the feature that it is built with.
const PROGRAMS: [(&str, &str); 5] = [
    ("token-broker", "server"),
    ("collector", "server"),
    ("normalizer", "server"),
    ("exporter", "server"),
    ("leastwise", "remote"),
];

const TARGET: &str = "x86_64-unknown-linux-gnu";
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(clap::Args)]
pub struct Args {
    /// `dist` is what is shipped; `quick` is soon built, for a try
    #[arg(long, default_value = "dist")]
    profile: String,
    /// What images are called, before the name of the program
    #[arg(long, default_value = "localhost/leastwise")]
    repository: String,
    /// Their tag; the version unless given
    #[arg(long)]
    tag: Option<String>,
    /// Run the pods of the manifests with them as well, where this machine can
    #[arg(long)]
    run: bool,
    /// Build from nothing in this directory, which must not exist, and say whether the programs are the same to the byte
    #[arg(long, value_name = "DIRECTORY")]
    again: Option<PathBuf>,
}

/// Builds them. Each is left as `target/images/PROFILE/NAME.oci.tar`, which `skopeo copy oci-archive:…` and `podman load`
/// take.
pub fn run(args: &Args) -> Result<ExitCode> {
    needs::c_compiler()?;
    needs::containers()?;
    let built = programs(&workspace::root(), &workspace::target(), &args.profile)?;
    if let Some(copy) = &args.again {
        return again(copy, &built, &args.profile);
    }
    let tag = args.tag.as_deref().unwrap_or(VERSION);
    let shop = Shop::new(&built, &args.profile, args.profile == "dist")?;
    println!("{:<14} {:>9} {:>9}  digest", "image", "program", "archive");
    for (name, _) in PROGRAMS {
        let (archive, digest) = shop.image(name, &format!("{}/{name}:{tag}", args.repository))?;
        println!(
            "{name:<14} {:>6.1} MB {:>6.1} MB  {digest}",
            megabytes(&built.join(name))?,
            megabytes(&archive)?
        );
    }
    println!("archives are in {}", shop.home.display());
    match args.run {
        true => run_pods(&built),
        false => Ok(ExitCode::SUCCESS),
    }
}

/// Megabytes that the image of one program has as an archive: as it is shipped, but for its bill of materials.
pub fn size(name: &'static str) -> Result<f64> {
    needs::containers()?;
    let built = programs(&workspace::root(), &workspace::target(), "dist")?;
    // Beside what is shipped, which keeps its bill of materials.
    let shop = Shop::new(&built, "size", false)?;
    let (archive, _) = shop.image(name, &format!("localhost/leastwise/{name}:size"))?;
    megabytes(&archive)
}

/// Where images are made.
struct Shop {
    home: PathBuf,
    built: PathBuf,
    bills: PathBuf,
    podman: Podman,
    revision: String,
    /// Seconds since 1970.
    epoch: u64,
}

impl Shop {
    fn new(built: &Path, directory: &str, shipped: bool) -> Result<Self> {
        let home = workspace::target().join("images").join(directory);
        let (revision, epoch) = commit()?;
        Ok(Shop {
            podman: Podman::at(&home.join("store"))?,
            bills: bill::of_materials(&home.join("bills"), shipped)?,
            built: built.to_path_buf(),
            home,
            revision,
            epoch,
        })
    }

    /// Makes the image of a program; its archive and its digest.
    fn image(&self, name: &str, image: &str) -> Result<(PathBuf, String)> {
        let context = context(&self.home, &self.built, &self.bills, name)?;
        let file = workspace::root().join(format!("deploy/images/{name}.Containerfile"));
        let labels = [("VERSION", VERSION), ("REVISION", &*self.revision)];
        self.podman
            .build(&file, &context, image, self.epoch, &labels)?;
        let archive = self.home.join(format!("{name}.oci.tar"));
        let digest = self.podman.save(image, &archive)?;
        Ok((archive, digest))
    }
}

/// Builds the static programs, all at once: one alone would have less of what they share. Paths of this machine are in
/// none of them.
fn programs(root: &Path, target: &Path, profile: &str) -> Result<PathBuf> {
    let home =
        std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|h| h + "/.cargo"))?;
    let maps = [
        (root.to_path_buf(), "/leastwise"),
        (PathBuf::from(home), "/cargo"),
        (target.to_path_buf(), "/target"),
    ];
    let mut flags = "-C target-feature=+crt-static".to_owned();
    let mut c = String::new();
    for (path, to) in maps {
        flags += &format!(" --remap-path-prefix={}={to}", path.display());
        c += &format!(" -ffile-prefix-map={}={to}", path.display());
    }
    let mut build = cargo();
    build
        .current_dir(root)
        .args([
            "build",
            "--locked",
            "--target",
            TARGET,
            "--profile",
            profile,
        ])
        .args(["--bins", "--no-default-features"])
        .args(PROGRAMS.map(|(name, _)| format!("--package={name}")))
        .args(PROGRAMS.map(|(name, feature)| format!("--features={name}/{feature}")))
        .arg("--target-dir")
        .arg(target)
        // With a target named, these are not those of build scripts and macros, which can't be static.
        .env("RUSTFLAGS", flags)
        .env("CFLAGS_x86_64_unknown_linux_gnu", c.trim())
        .env("CXXFLAGS_x86_64_unknown_linux_gnu", c.trim())
        .env("CARGO_INCREMENTAL", "0");
    if !passes(&mut build)? {
        bail!("the programs don't build");
    }
    Ok(target.join(TARGET).join(profile))
}

/// The directory from which an image is built.
fn context(home: &Path, built: &Path, bills: &Path, name: &str) -> Result<PathBuf> {
    let context = home.join("contexts").join(name);
    if context.exists() {
        fs::remove_dir_all(&context)?;
    }
    servers::images::root(&context.join("root"))?;
    fs::copy(
        workspace::root().join("LICENSE"),
        context.join("root/LICENSE"),
    )?;
    let bill = format!("{name}.cdx.json");
    fs::copy(bills.join(&bill), context.join(&bill)).with_context(|| format!("copy {bill}"))?;
    fs::copy(built.join(name), context.join(name)).with_context(|| format!("copy {name}"))?;
    // Whatever this user's files are like.
    modes(&context)?;
    fs::set_permissions(context.join(name), fs::Permissions::from_mode(0o755))?;
    Ok(context)
}

fn modes(directory: &Path) -> Result<()> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        match path.is_dir() {
            true => modes(&path)?,
            false => fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?,
        }
    }
    Ok(())
}

/// The commit, and its time in seconds since 1970: whoever builds it again has the same. `SOURCE_DATE_EPOCH` overrides.
fn commit() -> Result<(String, u64)> {
    let git = command("git")
        .args(["log", "-1", "--format=%H %ct"])
        .output()?;
    let said = String::from_utf8(git.stdout)?;
    let (revision, seconds) = said.trim().split_once(' ').unwrap_or(("unknown", "0"));
    let given = std::env::var("SOURCE_DATE_EPOCH").ok();
    let epoch = given.as_deref().unwrap_or(seconds);
    let epoch = epoch
        .parse()
        .with_context(|| format!("SOURCE_DATE_EPOCH is no number: {epoch}"))?;
    Ok((revision.to_owned(), epoch))
}

fn megabytes(file: &Path) -> Result<f64> {
    Ok(fs::metadata(file)?.len() as f64 / 1e6)
}

/// Copies the sources elsewhere, builds there, and compares the programs.
fn again(copy: &Path, built: &Path, profile: &str) -> Result<ExitCode> {
    let root = workspace::root();
    if !passes(
        command("git")
            .args(["worktree", "add", "--detach"])
            .arg(copy),
    )? {
        bail!("{} can't be made", copy.display());
    }
    let other = programs(copy, &copy.join("target"), profile);
    let same = other.and_then(|other| {
        let mut same = true;
        for (name, _) in PROGRAMS {
            let equal = fs::read(other.join(name))? == fs::read(built.join(name))?;
            println!("{name}: {}", if equal { "the same" } else { "DIFFERENT" });
            same &= equal;
        }
        Ok(same)
    });
    let removal = command("git")
        .current_dir(root)
        .args(["worktree", "remove", "--force"])
        .arg(copy)
        .status()?;
    if !removal.success() {
        eprintln!("{} is left", copy.display());
    }
    Ok(match same? {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Runs the test of the pods with these programs in place of those of the tests' own build.
fn run_pods(built: &Path) -> Result<ExitCode> {
    let mut test = cargo();
    test.args([
        "test",
        "--package",
        "tests",
        "--test",
        "all",
        "--",
        "deploy::run::",
        "--nocapture",
    ])
    .env("LEASTWISE_STATIC_PROGRAMS", built);
    Ok(match passes(&mut test)? {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
