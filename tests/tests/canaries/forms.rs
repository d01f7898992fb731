//! What is planted is found, in whatever form.

use base64::Engine as _;

use super::scan::Canaries;

/// A search that finds nothing proves nothing: each form of each kind of secret is found where it stands.
#[test]
fn what_is_planted_is_found_in_each_form() {
    let mut canaries = Canaries::default();
    canaries.text("a text", "p\"ass wörd\\with/everything~");
    canaries.bytes("bytes", b"\0\x01\xfe\xff binary \n secret \x7f");
    canaries.key(
        "an RSA key",
        include_str!("../../graph-sim/data/keys/issuer-1.pem"),
    );
    let mut forms = 0;
    for (name, form, bytes) in canaries.all() {
        let mut scanner = canaries.scanner();
        scanner.look("a log", &[b"{\"message\":\"x=", bytes, b"\"}\n"].concat());
        let told = format!("{name} as {form} in a log");
        assert!(scanner.found.contains(&told), "{told}: {:?}", scanner.found);
        forms += 1;
    }
    assert!(forms > 40, "{forms}");

    // In the middle of something else, encoded as a whole.
    let engine = base64::engine::general_purpose::STANDARD;
    for before in ["", "u", "us", "user:"] {
        let text = engine.encode(format!("{before}p\"ass wörd\\with/everything~:more"));
        let mut scanner = canaries.scanner();
        scanner.look("a header", text.as_bytes());
        assert_eq!(scanner.found.len(), 1, "{before}: {text}");
    }
    let mut scanner = canaries.scanner();
    scanner.look(
        "a log",
        b"authorization: Bearer eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln",
    );
    assert!(scanner.found.contains("a token in a log"));
    let mut scanner = canaries.scanner();
    scanner.look("a log", b"nothing at all, and eyJ, .eyJ, pass word");
    assert!(scanner.found.is_empty(), "{:?}", scanner.found);
}
