//! What people call a model, and which one they mean: Bedrock's ids without vendor, date or version, other hosts' spellings
//! of them, and what is near to a name that means none.
//!
//! A name is compared word by word, not letter by letter: `claude-sonnet-4.5`, `Claude Sonnet 4 5` and
//! `anthropic.claude-sonnet-4-5` are the same words. A number is never left out or guessed at, so a model that doesn't
//! exist yet isn't taken for its predecessor. Exact ids don't come here.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{GEO_PREFIXES, Live, Mode, Model, Moment, Stage, find, models, stage};

/// Longest name that is compared: the longest id has half of it.
const LONGEST: usize = 128;

/// Most candidates that are named to a client.
const MOST_CANDIDATES: usize = 10;

/// The models that a Region lists and the catalogue knows, by what they may be called.
#[derive(Debug, Default)]
pub struct Names {
    entries: Vec<Entry>,
    by_words: HashMap<String, Vec<usize>>,
    vendors: HashSet<String>,
}

#[derive(Debug)]
struct Entry {
    id: String,
    standing: Standing,
    /// Whether chats or embeddings can be asked of it.
    offered: bool,
    /// The words of its name, without vendor, date and version, a space before, between and behind.
    words: String,
    pairs: Pairs,
}

/// How well a model fits what a client wants of it: where a name fits several, the best of them is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// It can be called in this Region, as far as anybody knows.
    Here,
    /// It lives, but the Region doesn't list it.
    Unlisted,
    /// Requests fail.
    Retired,
    /// Bedrock's own operations don't serve it.
    Elsewhere,
}

/// What a name that is no exact id means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// This model, or this profile of it.
    One(String),
    /// It fits several: these among others. Never empty.
    Several(Vec<String>),
    /// None that is known.
    Nothing,
}

impl Names {
    /// Of the models that `live` lists and the catalogue knows.
    pub(super) fn new(live: &Live, now: Moment) -> Self {
        let mut ids: BTreeMap<&str, Option<&Model>> =
            models().iter().map(|model| (model.id, Some(model))).collect();
        let profiled = live.system_profiles().map(|profile| profile.model.as_str());
        for id in live.models().map(|model| model.id.as_str()).chain(profiled) {
            ids.entry(id).or_insert_with(|| find(id));
        }
        let sold: HashSet<&str> = live.system_profiles().map(|profile| profile.model.as_str()).collect();
        let mut names = Self::default();
        for (id, known) in ids {
            let listed = live.model(id);
            let is_here = listed.is_some() || sold.contains(id);
            let standing = if known.is_some_and(Model::is_elsewhere) && !is_here {
                Standing::Elsewhere
            } else if stage(known, listed, now) == Some(Stage::Retired) {
                Standing::Retired
            } else if is_here || !live.knows_models() {
                Standing::Here
            } else {
                Standing::Unlisted
            };
            let mode = known.map(|known| known.mode).or_else(|| listed?.mode());
            names.add(id, standing, matches!(mode, None | Some(Mode::Chat | Mode::Embedding)));
        }
        names
    }

    fn add(&mut self, id: &str, standing: Standing, offered: bool) {
        let (vendor, name) = id.split_once('.').unwrap_or(("", id));
        self.vendors.insert(vendor.to_owned());
        let spellings = spellings(vendor, name);
        let shortest = spellings.last().cloned().unwrap_or_default();
        for words in spellings {
            let same = self.by_words.entry(words).or_default();
            if !same.contains(&self.entries.len()) {
                same.push(self.entries.len());
            }
        }
        self.entries.push(Entry {
            id: id.to_owned(),
            standing,
            offered,
            pairs: Pairs::of(&shortest),
            words: format!(" {shortest} "),
        });
    }

    /// The model that a name means which is no exact id. The profile's prefix in front of it stays.
    pub fn meaning(&self, name: &str, live: &Live) -> Meaning {
        if name.len() > LONGEST {
            return Meaning::Nothing;
        }
        let name = name.to_ascii_lowercase();
        let (prefix, rest) = without_prefix(&name, live);
        let (vendor, rest) = self.without_vendor(rest);
        // `llama3.3:latest`, `gemma3:27b`: Ollama's models are others, also where they are called alike.
        let is_tagged = rest.split_once(':').is_some_and(|(_, tag)| !is_version(tag));
        let Some(words) = words(rest).filter(|_| !is_tagged) else { return Meaning::Nothing };
        let fits = |entry: &Entry| match vendor {
            None => true,
            // `meta-llama/…`, `mistralai/…`: as others write Bedrock's `meta` and `mistral`.
            Some(vendor) => {
                let own = entry.id.split('.').next().unwrap_or_default();
                let vendor: String = vendor.chars().filter(char::is_ascii_alphanumeric).collect();
                own == vendor || !self.vendors.contains(&vendor) && vendor.starts_with(own)
            }
        };
        // `r1` and `v3` are names only behind their vendor's.
        let is_short = !words.contains(' ') || words.split(' ').next().is_none_or(|first| first.len() < 3);
        if is_short && vendor.is_none() {
            return self.containing(&words, fits);
        }
        let mut found = self.best(&words, fits);
        if found.is_empty()
            && rest.ends_with("-latest")
            && let Some(words) = words.strip_suffix(" latest")
        {
            // Ids of one name differ in their dates.
            found = self.best(words, fits).into_iter().max_by_key(|entry| &entry.id).into_iter().collect();
        }
        let profile = |entry: &Entry| format!("{prefix}{}", entry.id);
        match found.as_slice() {
            [one] => Meaning::One(profile(one)),
            [_, ..] => Meaning::Several(found.into_iter().map(profile).take(MOST_CANDIDATES).collect()),
            // Tomorrow's models have such names: Bedrock knows.
            [] if is_bedrocks(&name, &self.vendors) => Meaning::Nothing,
            [] => self.containing(&words, fits),
        }
    }

    /// Those with exactly these words that stand best.
    fn best(&self, words: &str, fits: impl Fn(&Entry) -> bool) -> Vec<&Entry> {
        let same = self.by_words.get(words).into_iter().flatten();
        let same: Vec<_> = same.filter_map(|&at| self.entries.get(at)).filter(|entry| fits(entry)).collect();
        let best = same.iter().map(|entry| entry.standing).min();
        same.into_iter().filter(|entry| Some(entry.standing) == best).collect()
    }

    /// Several whose names hold the words of an incomplete one: `claude-sonnet`, `llama`.
    fn containing(&self, words: &str, fits: impl Fn(&Entry) -> bool) -> Meaning {
        const SHORTEST_WORD: usize = 3;
        let has_word = words
            .split(' ')
            .any(|word| word.len() >= SHORTEST_WORD && word.bytes().all(|b| b.is_ascii_alphabetic()));
        let within = format!(" {words} ");
        let holds =
            |entry: &&Entry| has_word && entry.is_suggested() && entry.words.contains(&within) && fits(entry);
        let candidates: Vec<_> = self.entries.iter().filter(holds).map(|entry| entry.id.clone()).collect();
        if candidates.len() < 2 {
            return Meaning::Nothing;
        }
        Meaning::Several(candidates.into_iter().take(MOST_CANDIDATES).collect())
    }

    /// What may have been meant by a name that means nothing: of `aliases` and of what can be called, the nearest few that
    /// are `allowed`, the nearest first.
    ///
    /// Bounded: the name by [`LONGEST`], what it is compared with by configuration and listings, each comparison by both lengths.
    pub fn nearest<'a>(
        &'a self,
        name: &str,
        aliases: impl Iterator<Item = &'a str>,
        allowed: impl Fn(&str) -> bool,
    ) -> Vec<&'a str> {
        const MOST: usize = 3;
        let asked = Pairs::of(&name.chars().take(LONGEST).collect::<String>());
        let aliases = aliases.map(|alias| (asked.likeness(&Pairs::of(alias)), alias));
        let entries = self.entries.iter().filter(|entry| entry.is_suggested());
        let entries = entries.map(|entry| {
            // The name may be a whole id, or a part of it.
            let whole = asked.likeness(&Pairs::of(&entry.id));
            (asked.likeness(&entry.pairs).max(whole), entry.id.as_str())
        });
        let mut near: Vec<_> = aliases
            .chain(entries)
            .filter(|(likeness, candidate)| *likeness > 0 && allowed(candidate))
            .collect();
        // Aliases stay before ids that are as near.
        near.sort_by_key(|(likeness, _)| std::cmp::Reverse(*likeness));
        near.truncate(MOST);
        near.into_iter().map(|(_, candidate)| candidate).collect()
    }

    /// Whether a name has the form of Bedrock's ids, so that Bedrock has to say whether there is such a model:
    /// `vendor.model`, with a profile's prefix or without.
    pub fn has_bedrocks_form(&self, name: &str, live: &Live) -> bool {
        is_bedrocks(without_prefix(name, live).1, &self.vendors)
    }

    /// The vendor before a name, as Bedrock writes it (`meta.…`) or as others do (`meta-llama/…`), and the name.
    fn without_vendor<'n>(&self, name: &'n str) -> (Option<&'n str>, &'n str) {
        let (slashed, rest) =
            name.rsplit_once('/').map_or((None, name), |(vendor, rest)| (Some(vendor), rest));
        match rest.split_once('.') {
            Some((vendor, rest)) if self.vendors.contains(vendor) => (slashed.or(Some(vendor)), rest),
            Some(_) | None => (slashed, rest),
        }
    }
}

impl Entry {
    fn is_suggested(&self) -> bool {
        self.offered && self.standing == Standing::Here
    }
}

/// A client's way to write an id that says nothing about the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrapped<'a> {
    /// The id in it.
    pub id: &'a str,
    /// A larger context window was asked for (`[1m]`). Models have the one that they have.
    pub window: bool,
}

impl<'a> Wrapped<'a> {
    /// Takes the clients' own marks off a name: `bedrock/` and `amazon-bedrock/` of those who know many hosts, with the
    /// operation behind it or not, and Claude Code's `[1m]`.
    pub fn read(name: &'a str) -> Self {
        const HOSTS: [&str; 5] =
            ["bedrock", "amazon-bedrock", "aws-bedrock", "amazon_bedrock", "bedrock_converse"];
        const OPERATIONS: [&str; 2] = ["converse/", "invoke/"];
        let short = strip_ending(name, "[1m]");
        let id = short.map_or(name, |id| id.strip_suffix('.').unwrap_or(id));
        let is_host = |host: &str| HOSTS.iter().any(|known| known.eq_ignore_ascii_case(host));
        let inner = match id.find(['/', ':']).and_then(|at| id.split_at_checked(at)) {
            Some((host, rest)) if is_host(host) => rest.get(1..).unwrap_or_default(),
            Some(_) | None => id,
        };
        let operation = OPERATIONS.iter().find_map(|operation| inner.strip_prefix(operation));
        let inner = if inner.len() < id.len() { operation.unwrap_or(inner) } else { inner };
        Self { id: inner, window: short.is_some() }
    }
}

fn strip_ending<'a>(text: &'a str, ending: &str) -> Option<&'a str> {
    let (before, last) = text.split_at_checked(text.len().checked_sub(ending.len())?)?;
    last.eq_ignore_ascii_case(ending).then_some(before)
}

/// The geo prefix of a profile, its point included, and the rest.
fn without_prefix<'a>(id: &'a str, live: &Live) -> (&'a str, &'a str) {
    let is_prefix = |prefix: &str| GEO_PREFIXES.contains(&prefix) || live.knows_prefix(prefix);
    match id.split_once('.') {
        Some((prefix, rest)) if rest.contains('.') && is_prefix(prefix) => {
            id.split_at_checked(prefix.len() + 1).unwrap_or(("", id))
        }
        Some(_) | None => ("", id),
    }
}

/// `vendor.model`, a vendor of letters or a known one.
fn is_bedrocks(id: &str, vendors: &HashSet<String>) -> bool {
    let Some((vendor, model)) = id.split_once('.') else { return false };
    let is_vendor =
        vendor.len() > 1 && vendor.bytes().all(|b| b.is_ascii_lowercase()) || vendors.contains(vendor);
    is_vendor && model.starts_with(|first: char| first.is_ascii_alphanumeric())
}

/// Digits and colons: what may stand behind the colon of an id.
fn is_version(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || b == b':')
}

/// Every way to leave out the date, the version and the word for a model that takes instructions, in words: the longest
/// first, the shortest last. What would leave one word of the name isn't left out: `v2:1` is what Claude 2.1 is called.
fn spellings(vendor: &str, name: &str) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for text in unversioned(name) {
        texts.push(text.to_owned());
        if let Some(undated) = undated(text) {
            // Anthropic's own name for the first of a generation: `claude-sonnet-4-0`.
            if is_first(&undated) {
                texts.push(format!("{undated}-0"));
            }
            texts.push(undated);
        }
    }
    let plain = |text: &String| {
        ["-instruct", "-it"].iter().find_map(|word| text.strip_suffix(word)).map(str::to_owned)
    };
    let plain: Vec<String> = texts.iter().filter_map(plain).collect();
    texts.extend(plain);
    let mut spellings: Vec<String> =
        texts.iter().filter_map(|text| words(text)).filter(|words| words.contains(' ')).collect();
    spellings.extend(words(name));
    spellings.sort_by_key(|words| std::cmp::Reverse(words.len()));
    spellings.dedup();
    // `deepseek-r1`, `amazon-nova-pro`.
    let with_vendor = spellings.iter().filter_map(|spelling| words(&format!("{vendor} {spelling}")));
    with_vendor.collect::<Vec<_>>().into_iter().chain(spellings).collect()
}

/// The name; without what stands behind the colon; without the version.
fn unversioned(name: &str) -> impl Iterator<Item = &str> {
    let minor = name.split_once(':').filter(|(_, minor)| is_version(minor)).map(|(text, _)| text);
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let major =
        minor.unwrap_or(name).rsplit_once('-').filter(|(_, version)| match version.strip_prefix('v') {
            Some(digits) => is_number(digits),
            None => minor.is_some() && is_number(version),
        });
    [Some(name), minor, major.map(|(text, _)| text)].into_iter().flatten()
}

/// Without its date of eight digits.
fn undated(text: &str) -> Option<String> {
    let is_date = |part: &&str| part.len() == 8 && part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = text.split('-').collect();
    let undated: Vec<&str> = parts.iter().copied().filter(|part| !is_date(part)).collect();
    (undated.len() < parts.len()).then(|| undated.join("-"))
}

/// Ends in one number, not in two.
fn is_first(text: &str) -> bool {
    let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let mut parts = text.rsplit('-');
    parts.next().is_some_and(is_number) && !parts.next().is_some_and(is_number)
}

/// The runs of letters and of digits, in lower case, a space between two; `None` if there is anything else than these and what
/// may stand between words.
fn words(text: &str) -> Option<String> {
    let mut words = String::with_capacity(text.len() + 8);
    let mut before = None;
    for byte in text.bytes() {
        let kind = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => Some(true),
            b'0'..=b'9' => Some(false),
            b'-' | b'.' | b'_' | b':' | b' ' | b'/' | b'@' => None,
            _ => return None,
        };
        if kind.is_some() {
            if before != kind && !words.is_empty() {
                words.push(' ');
            }
            words.push(char::from(byte.to_ascii_lowercase()));
        }
        before = kind;
    }
    (!words.is_empty()).then_some(words)
}

/// The letters and digits of a text and the pairs of neighbours among them, sorted: what is common to two is cheap to count.
#[derive(Debug)]
struct Pairs(Vec<[u8; 2]>);

impl Pairs {
    fn of(text: &str) -> Self {
        let letters: Vec<u8> =
            text.bytes().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_lowercase()).collect();
        let single = letters.iter().map(|letter| [0, *letter]);
        let mut pairs: Vec<[u8; 2]> = letters.array_windows().copied().chain(single).collect();
        pairs.sort_unstable();
        Self(pairs)
    }

    /// From 0, nothing in common, to 1000, the same pairs (Dice's coefficient).
    fn likeness(&self, other: &Self) -> usize {
        let (mut own, mut others) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut common = 0_usize;
        while let (Some(left), Some(right)) = (own.peek(), others.peek()) {
            match left.cmp(right) {
                std::cmp::Ordering::Less => drop(own.next()),
                std::cmp::Ordering::Greater => drop(others.next()),
                std::cmp::Ordering::Equal => {
                    common += 1;
                    own.next();
                    others.next();
                }
            }
        }
        (2000 * common).checked_div(self.0.len() + other.0.len()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
