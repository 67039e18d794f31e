//! What the frame fuzzer and the seeds share: event stream messages whose checksums are right.
//!
//! Random bytes never get past a CRC, so without this the fuzzer would only ever see the first `if`.

pub mod schemas;

/// Two lengths and their checksum.
const PRELUDE: usize = 12;
/// The checksum at the end.
const TRAILER: usize = 4;

/// An event stream message with string headers.
pub fn message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(u8::try_from(name.len()).expect("a header's name is short"));
        block.extend_from_slice(name.as_bytes());
        block.push(7);
        block
            .extend_from_slice(&u16::try_from(value.len()).expect("a header's value is short").to_be_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    let total = PRELUDE + block.len() + payload.len() + TRAILER;
    let mut message = u32::try_from(total).expect("a seed is small").to_be_bytes().to_vec();
    message.extend_from_slice(&u32::try_from(block.len()).expect("and its headers too").to_be_bytes());
    message.extend_from_slice(&[0; 4]);
    message.extend_from_slice(&block);
    message.extend_from_slice(payload);
    message.extend_from_slice(&[0; TRAILER]);
    mend_checksums(&mut message);
    message
}

/// Makes both checksums right in every message that `stream` begins with. Lengths are taken as they stand:
/// impossible ones are for the decoder to find.
pub fn mend_checksums(mut stream: &mut [u8]) {
    while let Some((lengths, crc)) =
        stream.get_mut(..PRELUDE).and_then(|prelude| prelude.split_at_mut_checked(8))
    {
        crc.copy_from_slice(&crc32fast::hash(lengths).to_be_bytes());
        let total = lengths.first_chunk().map_or(0, |four| u32::from_be_bytes(*four) as usize);
        if total < PRELUDE + TRAILER {
            return;
        }
        let Some((message, rest)) = stream.split_at_mut_checked(total) else { return };
        let (body, crc) = message.split_at_mut(total - TRAILER);
        crc.copy_from_slice(&crc32fast::hash(body).to_be_bytes());
        stream = rest;
    }
}
