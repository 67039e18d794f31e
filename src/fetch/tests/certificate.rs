//! An authority for an afternoon, and certificates from it: as much of X.509 (RFC 5280) as TLS looks at.
//!
//! Written out, because it is less than what a library for it would bring along. Keys are Ed25519, whose private key is any
//! 32 bytes; a key is told by the byte it repeats.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::sign::any_eddsa_type;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::sign::SigningKey;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SignatureScheme, crypto::ring};

const SEQUENCE: u8 = 0x30;
const ED25519: &[u8] = &[0x06, 3, 0x2b, 0x65, 0x70];

/// Trusts whatever [`server`] presents for the same byte.
pub(super) fn roots(authority: u8) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(root(authority)).unwrap();
    roots
}

/// The authority's own certificate, in PEM.
pub(super) fn root_pem(authority: u8) -> String {
    pem("CERTIFICATE", &root(authority))
}

/// The certificate of [`server`] and its key, in PEM.
pub(super) fn leaf_pem(authority: u8, host: &str) -> (String, String) {
    let key = private_key(authority.wrapping_add(1));
    (pem("CERTIFICATE", &leaf(authority, host)), pem("PRIVATE KEY", key.secret_pkcs8_der()))
}

/// Certificate and key of somebody whom the authority vouches for.
pub(super) fn identity(authority: u8, host: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    (leaf(authority, host), private_key(authority.wrapping_add(1)).into())
}

fn pem(kind: &str, der: &[u8]) -> String {
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", BASE64_STANDARD.encode(der))
}

fn root(authority: u8) -> CertificateDer<'static> {
    // cA: TRUE
    certificate(authority, authority, &extension(&[0x55, 0x1d, 0x13], &der(SEQUENCE, &[&[1, 1, 0xff]])))
}

/// Speaks TLS as `host`.
pub(super) fn server(authority: u8, host: &str) -> TlsAcceptor {
    let (certificate, key) = identity(authority, host);
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn leaf(authority: u8, host: &str) -> CertificateDer<'static> {
    let host: &[u8] = &match host.parse() {
        Ok(std::net::IpAddr::V4(address)) => der(0x87, &[&address.octets()]),
        Ok(std::net::IpAddr::V6(address)) => der(0x87, &[&address.octets()]),
        Err(_) => der(0x82, &[host.as_bytes()]),
    };
    // subjectAltName
    let extension = extension(&[0x55, 0x1d, 0x11], &der(SEQUENCE, &[host]));
    certificate(authority, authority.wrapping_add(1), &extension)
}

fn certificate(issuer: u8, subject: u8, extension: &[u8]) -> CertificateDer<'static> {
    let algorithm = der(SEQUENCE, &[ED25519]);
    let until = der(SEQUENCE, &[&der(0x17, &[b"200101000000Z"]), &der(0x17, &[b"491231235959Z"])]);
    let body = der(
        SEQUENCE,
        &[
            &[0xa0, 3, 2, 1, 2], // version 3
            &[2, 1, 1],          // serial number
            &algorithm,
            &name(issuer),
            &until,
            &name(subject),
            &signer(subject).public_key().unwrap(),
            &der(0xa3, &[&der(SEQUENCE, &[extension])]),
        ],
    );
    let signature = signer(issuer).choose_scheme(&[SignatureScheme::ED25519]).unwrap().sign(&body).unwrap();
    der(SEQUENCE, &[&body, &algorithm, &der(3, &[&[0], &signature])]).into()
}

/// `CN=` and the key's byte.
fn name(key: u8) -> Vec<u8> {
    let value = der(0x0c, &[format!("key {key}").as_bytes()]);
    der(SEQUENCE, &[&der(0x31, &[&der(SEQUENCE, &[&[6, 3, 0x55, 4, 3], &value])])])
}

fn extension(id: &[u8], value: &[u8]) -> Vec<u8> {
    der(SEQUENCE, &[&der(6, &[id]), &der(4, &[value])])
}

fn signer(key: u8) -> Arc<dyn SigningKey> {
    any_eddsa_type(&private_key(key)).unwrap()
}

fn private_key(key: u8) -> PrivatePkcs8KeyDer<'static> {
    let secret = der(4, &[&der(4, &[&[key; 32]])]);
    let der = der(SEQUENCE, &[&[2, 1, 0], &der(SEQUENCE, &[ED25519]), &secret]);
    let PrivateKeyDer::Pkcs8(der) = PrivateKeyDer::Pkcs8(der.into()) else { unreachable!() };
    der
}

/// Tag, length, content.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut der = vec![tag];
    match length {
        [0, short] if short < 0x80 => der.push(short),
        [0, long] => der.extend([0x81, long]),
        [high, low] => der.extend([0x82, high, low]),
    }
    der.extend(content);
    der
}
