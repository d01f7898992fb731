//! Applications that Intune found on its devices, with the names that they give themselves.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::device::{self, Device, System};
use crate::guid::{self, Kind};
use crate::rng::mix;
use crate::world::World;

/// Numbers of applications that only few devices have start here.
const RARE: u64 = 1 << 40;
/// Days between two reports of a device.
const REPORTED_EVERY: i32 = 7;

/// A product: `#` in its name or version stands for the release.
struct Product {
    name: &'static str,
    publisher: &'static str,
    version: &'static str,
    system: System,
    /// Devices of its system that have it, of a thousand.
    permille: u64,
    /// Days between two releases.
    every: i32,
    /// Found on personal devices too.
    managed: bool,
}

const fn win(
    name: &'static str,
    publisher: &'static str,
    version: &'static str,
    permille: u64,
    every: i32,
) -> Product {
    Product {
        name,
        publisher,
        version,
        system: System::Windows,
        permille,
        every,
        managed: false,
    }
}

const fn mobile(
    name: &'static str,
    version: &'static str,
    system: System,
    permille: u64,
) -> Product {
    Product {
        name,
        publisher: "",
        version,
        system,
        permille,
        every: 21,
        managed: true,
    }
}

const PRODUCTS: &[Product] = &[
    win("Google Chrome", "Google LLC", "1#.0.6099.130", 820, 30),
    win(
        "Microsoft Edge",
        "Microsoft Corporation",
        "1#.0.2210.91",
        990,
        30,
    ),
    win(
        "Microsoft Edge WebView2-Laufzeit",
        "Microsoft Corporation",
        "1#.0.2210.91",
        970,
        30,
    ),
    win(
        "Microsoft 365 Apps for enterprise - de-de",
        "Microsoft Corporation",
        "16.0.1#.20162",
        560,
        30,
    ),
    win(
        "Microsoft 365 Apps for enterprise - en-us",
        "Microsoft Corporation",
        "16.0.1#.20162",
        430,
        30,
    ),
    win(
        "Microsoft Office Professional Plus 2016",
        "Microsoft Corporation",
        "16.0.4266.1001",
        30,
        9_999,
    ),
    win(
        "Microsoft Visio Professional 2019 - en-us",
        "Microsoft Corporation",
        "16.0.1#.20162",
        22,
        30,
    ),
    win(
        "Microsoft Project Professional 2019 - de-de",
        "Microsoft Corporation",
        "16.0.1#.20162",
        14,
        30,
    ),
    win(
        "Teams Machine-Wide Installer",
        "Microsoft Corporation",
        "1.6.00.#",
        300,
        60,
    ),
    win("7-Zip # (x64)", "Igor Pavlov", "#.00", 610, 150),
    win("7-Zip # (x64 edition)", "", "#.00.00.0", 40, 150),
    win("Adobe Acrobat (64-bit)", "Adobe", "23.0#.20320", 350, 45),
    win(
        "Adobe Acrobat Reader DC - Deutsch",
        "Adobe Systems Incorporated",
        "22.0#.20310",
        90,
        90,
    ),
    win("Adobe Creative Cloud", "Adobe Inc.", "6.#.0.51", 25, 60),
    win("Notepad++ (64-bit x64)", "Notepad++ Team", "8.#", 280, 60),
    win("Notepad++", "Notepad++ Team", "7.9.#", 35, 400),
    win("Mozilla Firefox (x64 de)", "Mozilla", "1#.0", 150, 28),
    win(
        "Mozilla Firefox 78.15.0 ESR (x86 en-US)",
        "Mozilla",
        "78.15.0",
        6,
        9_999,
    ),
    win("Zoom(64bit)", "Zoom", "5.#", 210, 30),
    win(
        "Zoom Workplace (64-bit)",
        "Zoom Communications, Inc.",
        "6.#",
        110,
        30,
    ),
    win("VLC media player", "VideoLAN", "3.0.#", 120, 180),
    win("WinRAR 6.# (64-bit)", "win.rar GmbH", "6.#.0", 45, 120),
    win("TeamViewer", "TeamViewer", "15.#.6", 60, 30),
    win(
        "Java 8 Update # (64-bit)",
        "Oracle Corporation",
        "8.0.#",
        85,
        90,
    ),
    win(
        "Java(TM) SE Development Kit 17.0.# (64-bit)",
        "Oracle Corporation",
        "17.0.#.0",
        12,
        90,
    ),
    win(
        "Python 3.11.# (64-bit)",
        "Python Software Foundation",
        "3.11.#150.0",
        55,
        60,
    ),
    win("AutoCAD 2023 - English", "Autodesk", "24.2.#.0", 30, 200),
    win(
        "AutoCAD LT 2021 – Deutsch (German)",
        "Autodesk, Inc.",
        "24.0.#.0",
        15,
        300,
    ),
    win(
        "SAP GUI for Windows 7.70  (Patch #)",
        "SAP SE",
        "7700.2.#",
        330,
        90,
    ),
    win("MATLAB R2022b", "MathWorks", "9.13", 12, 9_999),
    win(
        "Oracle VM VirtualBox 7.0.#",
        "Oracle and/or its affiliates",
        "7.0.#",
        25,
        60,
    ),
    win("Docker Desktop", "Docker Inc.", "4.#.0", 35, 21),
    win(
        "Cisco AnyConnect Secure Mobility Client",
        "Cisco Systems, Inc.",
        "4.10.#",
        640,
        120,
    ),
    win("Contoso \"Field\" Tool", "", "1.#", 190, 45),
    win("CONTOSO FIELD TOOL V1", "contoso gmbh", "1.0", 20, 9_999),
    win(
        "Microsoft Visual C++ 2015-2022 Redistributable (x64) - 14.#.33135",
        "Microsoft Corporation",
        "14.#.33135.0",
        880,
        180,
    ),
    win(
        "Citrix Workspace 2309",
        "Citrix Systems, Inc.",
        "23.9.#.99",
        95,
        90,
    ),
    win(
        "Slack (Machine - MSI)",
        "Slack Technologies Inc.",
        "4.#.0",
        70,
        20,
    ),
    win(
        "Wireshark 4.0.# 64-bit",
        "The Wireshark developer community, https://www.wireshark.org",
        "4.0.#",
        20,
        45,
    ),
    Product {
        name: "Google Chrome.app",
        publisher: "",
        version: "1#.0.6099.129",
        system: System::Mac,
        permille: 800,
        every: 30,
        managed: false,
    },
    Product {
        name: "Microsoft Excel",
        publisher: "Microsoft",
        version: "16.#",
        system: System::Mac,
        permille: 930,
        every: 30,
        managed: false,
    },
    Product {
        name: "Figma",
        publisher: "",
        version: "116.#.4",
        system: System::Mac,
        permille: 500,
        every: 20,
        managed: false,
    },
    mobile("Microsoft Outlook", "4.#.0", System::Ios, 940),
    mobile("Microsoft Teams", "6.#.0", System::Ios, 900),
    mobile("Microsoft Authenticator", "6.8.#", System::Ios, 870),
    mobile(
        "com.microsoft.office.outlook",
        "4.#.1",
        System::Android,
        920,
    ),
    mobile("Intune Company Portal", "5.0.#", System::Android, 990),
];

/// One application with its version.
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) publisher: &'static str,
    pub(crate) platform: &'static str,
    pub(crate) bytes: u64,
}

/// Applications by number, with the number of devices that have each.
pub(crate) type Found = Arc<[(u64, u32)]>;

/// What was counted last, by day.
#[derive(Default)]
pub(crate) struct Cache(Mutex<VecDeque<(u32, Found)>>);

/// All applications of a tenant on a day, ascending by number: one pass over all devices, kept for a while.
pub(crate) fn all(world: &World, day: u32) -> Found {
    let kept = || world.apps.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, found)) = kept().iter().find(|(d, _)| *d == day) {
        return found.clone();
    }
    let mut counts: BTreeMap<u64, u32> = BTreeMap::new();
    for device in device::from(world, 0, day).filter(|d| d.managed) {
        for number in on(world.key(), &device, day) {
            *counts.entry(number).or_default() += 1;
        }
    }
    for rare in 0..rare(world) {
        let devices = rare_places(world, rare)
            .filter(|p| rare_device(world, *p, day).is_some())
            .count() as u32;
        if devices > 0 {
            counts.insert(RARE + u64::from(rare), devices);
        }
    }
    let found: Found = counts.into_iter().collect();
    let mut kept = kept();
    // Late replicas look at two days at once.
    while kept.len() > 1 {
        kept.pop_front();
    }
    kept.push_back((day, found.clone()));
    found
}

/// The common applications of a device.
fn on(key: u64, device: &Device, day: u32) -> impl Iterator<Item = u64> {
    let device = *device;
    let products = PRODUCTS.iter().zip(0_u64..);
    products.filter_map(move |(product, n)| {
        let fits = product.system == device.system && (product.managed || !device.personal);
        let draw = mix(key ^ 0xa995, n << 32 | u64::from(device.place));
        if !fits || draw % 1_000 >= product.permille {
            return None;
        }
        // A device that is not seen reports nothing new.
        let last = device.seen.min(day as i32);
        let reported = last - (last + (draw >> 10 & 7) as i32).rem_euclid(REPORTED_EVERY);
        let behind = match draw >> 20 & 15 {
            0..9 => 0,
            9..12 => 1,
            12..14 => 2,
            n => n as i32 - 10,
        };
        let release = (reported + 2_000 + n as i32) / product.every.max(1) - behind;
        Some(n << 20 | u64::try_from(release.max(1)).unwrap_or(1))
    })
}

/// The managed devices on which an application is, by place from `start` on.
pub(crate) fn devices(
    world: &World,
    number: u64,
    start: u32,
    day: u32,
) -> Box<dyn Iterator<Item = Device> + '_> {
    if number >= RARE {
        let rare = u32::try_from(number - RARE).unwrap_or(u32::MAX);
        let mut places: Vec<u32> = rare_places(world, rare).collect();
        places.sort_unstable();
        let places = places.into_iter().filter(move |p| *p >= start);
        return Box::new(places.filter_map(move |p| rare_device(world, p, day)));
    }
    let managed = device::from(world, start, day).filter(|d| d.managed);
    Box::new(managed.filter(move |d| on(world.key(), d, day).any(|n| n == number)))
}

/// How many applications there are that only few devices have.
fn rare(world: &World) -> u32 {
    3 + world.at_first() / 25
}

/// The places where a rare application would be: up to three different ones.
fn rare_places(world: &World, rare: u32) -> impl Iterator<Item = u32> {
    let (key, users) = (world.key() ^ 0x4a4e, u64::from(world.at_first().max(1)));
    let one = move |n: u64| {
        let owner = mix(key, u64::from(rare) << 8 | n) % users;
        u32::try_from(owner).unwrap_or(0) * device::SLOTS
    };
    let most = 1 + mix(key, u64::from(rare)) % 3;
    (0..most)
        .filter(move |n| (0..*n).all(|m| one(m) != one(*n)))
        .map(one)
}

fn rare_device(world: &World, place: u32, day: u32) -> Option<Device> {
    device::at(world, place, day)
        .filter(|d| d.managed && d.system == System::Windows && !d.personal)
}

/// The application of a number.
pub(crate) fn app(key: u64, number: u64) -> App {
    let id = guid::text(guid::of(key, Kind::App, number)).replace('-', "");
    // Longer than a GUID, as Intune's are.
    let id = format!("0000{id}{:08x}", mix(key, number) >> 32);
    if number >= RARE {
        let rare = number - RARE;
        let version = format!("{}.{}", rare % 9, rare % 31);
        let name = match rare % 4 {
            0 => format!("Setup {version} (x64)"),
            1 => format!("{{{}}}", guid::text(guid::of(key, Kind::App, number ^ 1))),
            2 => format!("Macro Helper – {rare}  "),
            _ => format!("Treiberpaket {rare} (Unbekannt)"),
        };
        return App {
            id,
            name,
            version,
            publisher: ["", "Unknown", "N/A", "Ihr Firmenname"][(rare % 4) as usize],
            platform: "windows",
            bytes: 0,
        };
    }
    let (n, release) = (number >> 20, number & 0xf_ffff);
    let fallback = &PRODUCTS[0];
    let product = PRODUCTS.get(n as usize).unwrap_or(fallback);
    let filled = |text: &str| text.replace('#', &release.to_string());
    App {
        id,
        name: filled(product.name),
        version: filled(product.version),
        publisher: product.publisher,
        platform: match product.system {
            System::Windows => "windows",
            System::Mac => "macOS",
            System::Ios => "ios",
            System::Android => "androidWorkProfile",
        },
        // Most sizes are not known.
        bytes: if n.is_multiple_of(3) {
            1_000_000 * (n + 17)
        } else {
            0
        },
    }
}

/// The number that an id names, or none.
pub(crate) fn number(key: u64, id: &str) -> Option<u64> {
    let hex = id.get(4..36)?;
    let guid = u128::from_str_radix(hex, 16).ok()?;
    let number = guid::index(key, Kind::App, guid)?;
    (app(key, number).id == id).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_application() {
        for number in [1 << 20 | 7, 5 << 20 | 1, RARE, RARE + 9] {
            let app = app(3, number);
            assert_eq!(app.id.len(), 44);
            assert_eq!(super::number(3, &app.id), Some(number));
            assert_eq!(super::number(4, &app.id), None);
        }
        for wrong in ["", "0000", "x", "ääääääääääääääääääääääääääääääääääää"]
        {
            assert_eq!(super::number(3, wrong), None);
        }
    }
}
