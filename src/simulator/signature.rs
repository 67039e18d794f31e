//! Whether a request may come in: AWS Signature Version 4, recomputed from what arrived, or a bearer token.

use super::fault::Fault;
use super::{Credentials, Shared, Signatures, lock};
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

const SERVICE: &str = "bedrock";
/// How far the client's clock may be off.
const TOLERANCE: Duration = Duration::from_mins(5);

/// RFC 3986's unreserved characters stay as they are.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const ENCODED_IN_PATH: &AsciiSet = &ENCODED.remove(b'/');

/// Refuses a request that isn't signed with the expected credentials.
pub(super) fn check(shared: &Shared, head: &Parts, body: &[u8]) -> Result<(), Fault> {
    let options = &shared.options;
    match options.signatures {
        Signatures::Ignored => return Ok(()),
        Signatures::Checked => {}
    }
    let Some(authorization) = header(head, "authorization") else {
        return Err(refusal("MissingAuthenticationTokenException", "Missing Authentication Token"));
    };
    if let Some(token) = authorization.strip_prefix("Bearer ") {
        return if options.bearer_token.as_deref() == Some(token) {
            Ok(())
        } else {
            let message = "Authentication failed: Please make sure your API Key is valid.";
            Err(refusal("AccessDeniedException", message))
        };
    }
    let claim = Claim::read(&authorization)?;
    let unknown =
        || refusal("UnrecognizedClientException", "The security token included in the request is invalid.");
    if lock(&shared.expired).iter().any(|expired| expired == claim.access_key) {
        return Err(refusal(
            "ExpiredTokenException",
            "The security token included in the request is expired",
        ));
    }
    let expected = shared.credentials(claim.access_key).ok_or_else(unknown)?;
    if header(head, "x-amz-security-token") != expected.session_token {
        return Err(unknown());
    }
    claim.check(&expected, options.region.as_deref(), head, body, shared.now())
}

/// The parts of an `Authorization: AWS4-HMAC-SHA256 …` header.
struct Claim<'a> {
    access_key: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    fn read(authorization: &'a str) -> Result<Self, Fault> {
        let incomplete = |what: &str| {
            Fault::new(
                400,
                "IncompleteSignatureException",
                format!("Authorization header requires '{what}' parameter."),
            )
        };
        let fields =
            authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or_else(|| incomplete("AWS4-HMAC-SHA256"))?;
        let field = |name: &str| {
            fields
                .split(',')
                .filter_map(|field| field.trim().split_once('='))
                .find_map(|(key, value)| (key == name).then_some(value))
                .ok_or_else(|| incomplete(name))
        };
        let mut scope = field("Credential")?.split('/');
        let mut part = || scope.next().ok_or_else(|| incomplete("Credential"));
        let claim = Self {
            access_key: part()?,
            date: part()?,
            region: part()?,
            service: part()?,
            signed_headers: field("SignedHeaders")?,
            signature: field("Signature")?,
        };
        match scope.next() {
            Some("aws4_request") => Ok(claim),
            _ => Err(incomplete("Credential")),
        }
    }

    fn check(
        &self,
        expected: &Credentials,
        region: Option<&str>,
        head: &Parts,
        body: &[u8],
        now: SystemTime,
    ) -> Result<(), Fault> {
        let Some(time) = header(head, "x-amz-date") else {
            return Err(Fault::new(
                400,
                "IncompleteSignatureException",
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
            ));
        };
        let signed_at = moment(&time)?;
        if !time.starts_with(self.date) {
            return Err(invalid(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.",
            ));
        }
        recent(&time, signed_at, now)?;
        if self.service != SERVICE {
            return Err(invalid("Credential should be scoped to correct service: 'bedrock'."));
        }
        if region.is_some_and(|region| region != self.region) {
            return Err(invalid("Credential should be scoped to a valid region."));
        }
        if !self.signed_headers.split(';').any(|name| name == "host") {
            return Err(invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."));
        }
        let request = self.canonical_request(head, body);
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{time}\n{}/{}/{SERVICE}/aws4_request\n{}",
            self.date,
            self.region,
            hex_sha256(request.as_bytes())
        );
        let key = generate_signing_key(&expected.secret_key, signed_at, self.region, SERVICE);
        if calculate_signature(key, to_sign.as_bytes()) == self.signature {
            Ok(())
        } else {
            Err(Fault::named("InvalidSignatureException", None)
                .unwrap_or_else(|| invalid("The request signature does not match.")))
        }
    }

    fn canonical_request(&self, head: &Parts, body: &[u8]) -> String {
        let mut headers = String::new();
        for name in self.signed_headers.split(';') {
            let values: Vec<String> = head.headers.get_all(name).iter().map(canonical_value).collect();
            // Writing to a String never fails.
            let _ = writeln!(headers, "{name}:{}", values.join(","));
        }
        let payload = header(head, "x-amz-content-sha256")
            .filter(|hash| hash == "UNSIGNED-PAYLOAD")
            .unwrap_or_else(|| hex_sha256(body));
        format!(
            "{}\n{}\n{}\n{headers}\n{}\n{payload}",
            head.method,
            // Already encoded once by the client; every service but S3 encodes what it received again.
            utf8_percent_encode(head.uri.path(), ENCODED_IN_PATH),
            canonical_query(head.uri.query().unwrap_or_default()),
            self.signed_headers,
        )
    }
}

fn canonical_value(value: &http::HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn canonical_query(query: &str) -> String {
    let again = |text: &str| {
        let decoded = percent_decode_str(text).collect::<Vec<u8>>();
        percent_encoding::percent_encode(&decoded, ENCODED).to_string()
    };
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            format!("{}={}", again(name), again(value))
        })
        .collect();
    pairs.sort();
    pairs.join("&")
}

/// `20261123T122509Z`.
fn moment(text: &str) -> Result<SystemTime, Fault> {
    let wrong = || invalid("Date must be in ISO-8601 'basic format'.");
    let part = |from: usize, to: usize| text.get(from..to).ok_or_else(wrong);
    let (date, time) = text.split_once('T').ok_or_else(wrong)?;
    let spelled = format!(
        "{}-{}-{}T{}:{}:{}",
        part(0, 4)?,
        part(4, 6)?,
        part(6, date.len())?,
        part(9, 11)?,
        part(11, 13)?,
        time.get(4..).ok_or_else(wrong)?
    );
    let time = DateTime::from_str(&spelled, Format::DateTime).map_err(|_| wrong())?;
    SystemTime::try_from(time).map_err(|_| wrong())
}

fn recent(text: &str, signed_at: SystemTime, now: SystemTime) -> Result<(), Fault> {
    let (earliest, latest) = (now - TOLERANCE, now + TOLERANCE);
    if signed_at < earliest {
        let (bound, now) = (basic(earliest), basic(now));
        return Err(invalid(&format!(
            "Signature expired: {text} is now earlier than {bound} ({now} - 5 min.)"
        )));
    }
    if signed_at > latest {
        let (bound, now) = (basic(latest), basic(now));
        return Err(invalid(&format!(
            "Signature not yet current: {text} is still later than {bound} ({now} + 5 min.)"
        )));
    }
    Ok(())
}

fn basic(time: SystemTime) -> String {
    let whole = DateTime::from_secs(DateTime::from(time).secs());
    whole.fmt(Format::DateTime).map_or_else(|_| String::new(), |text| text.replace(['-', ':'], ""))
}

fn hex_sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn header(head: &Parts, name: &str) -> Option<String> {
    head.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn invalid(message: &str) -> Fault {
    refusal("InvalidSignatureException", message)
}

fn refusal(code: &str, message: &str) -> Fault {
    Fault::new(403, code, message)
}
