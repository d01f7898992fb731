//! A client that signs assertions, made without any of the simulator's code.

use aws_lc_rs::digest::{self, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256};
use serde_json::{Value, json};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// base64url without padding, bit by bit.
pub fn base64url(bytes: &[u8]) -> String {
    let bit = |n: usize| {
        let byte = bytes.get(n / 8).copied().unwrap_or(0);
        usize::from(byte >> (7 - n % 8) & 1)
    };
    let digits = (bytes.len() * 8).div_ceil(6);
    let digit = |n: usize| (0..6).fold(0, |d, i| d * 2 + bit(n * 6 + i));
    (0..digits)
        .map(|n| char::from(ALPHABET[digit(n)]))
        .collect()
}

pub fn unbase64(text: &str) -> Vec<u8> {
    let text = text.replace('+', "-").replace('/', "_");
    let (mut bytes, mut word, mut bits) = (Vec::new(), 0_u32, 0);
    for byte in text.bytes().filter(|b| *b != b'=') {
        let digit = ALPHABET.iter().position(|a| *a == byte).unwrap();
        word = (word << 6) | digit as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((word >> bits) as u8);
        }
    }
    bytes
}

/// The payload of a token.
pub fn claims(token: &str) -> Value {
    serde_json::from_slice(&unbase64(token.split('.').nth(1).unwrap())).unwrap()
}

/// A certificate with its private key.
pub struct Certificate {
    pair: KeyPair,
    pub der: Vec<u8>,
}

impl Certificate {
    pub fn read(pem: &str) -> Self {
        let block = |label: &str| {
            let begin = format!("-----BEGIN {label}-----");
            let rest = pem.split(&begin).nth(1).unwrap();
            let inside: String = rest
                .split("-----END")
                .next()
                .unwrap()
                .split_whitespace()
                .collect();
            unbase64(&inside)
        };
        Self {
            pair: KeyPair::from_pkcs8(&block("PRIVATE KEY")).unwrap(),
            der: block("CERTIFICATE"),
        }
    }

    pub fn sha1(&self) -> String {
        base64url(digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.der).as_ref())
    }

    pub fn sha256(&self) -> String {
        base64url(digest(&digest::SHA256, &self.der).as_ref())
    }

    /// A JWT; the algorithm is the header's, PKCS#1 for those that are none.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let text = format!(
            "{}.{}",
            base64url(header.to_string().as_bytes()),
            base64url(claims.to_string().as_bytes())
        );
        let how = match header["alg"] == "PS256" {
            true => &RSA_PSS_SHA256,
            false => &RSA_PKCS1_SHA256,
        };
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        let text_bytes = text.as_bytes();
        self.pair
            .sign(how, &random, text_bytes, &mut signature)
            .unwrap();
        format!("{text}.{}", base64url(&signature))
    }

    /// The header that Microsoft's page shows.
    pub fn header(&self) -> Value {
        json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": self.sha256() })
    }
}
