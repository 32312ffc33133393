//! The shape of a JSON text before anything is made of it: no key twice in one object, whoever reads it or not,
//! and no nesting without end. serde sees only keys that it knows.

use super::report::Remark;
use super::why::Why;
use std::borrow::Cow;

/// Objects and lists within each other, at most.
pub const MAX_DEPTH: usize = 64;

/// Up to so many keys of an object are compared one with the other.
const FEW: usize = 12;

/// An object or list that is open.
struct Open<'a> {
    /// Where its keys begin; `None` for a list.
    keys: Option<usize>,
    /// The element that is being read.
    key: &'a str,
    index: usize,
}

/// Looks over a text. One that is no JSON may pass: its parser says what is wrong with it.
///
/// # Errors
/// With the path of a key that is given twice, escapes resolved, or of what lies too deep.
pub(super) fn check(json: &str) -> Result<(), Remark> {
    let bytes = json.as_bytes();
    let mut open: Vec<Open<'_>> = Vec::with_capacity(8);
    let mut keys: Vec<&str> = Vec::with_capacity(24);
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let end = string_end(bytes, at);
                let is_key = || next_token(bytes, end) == Some(b':');
                if let Some(innermost) = open.last_mut().filter(|o| o.keys.is_some() && is_key()) {
                    let key = json.get(at + 1..end - 1).unwrap_or_default();
                    innermost.key = key;
                    keys.push(key);
                }
                at = end;
                continue;
            }
            b'{' | b'[' => {
                let keys = (*byte == b'{').then_some(keys.len());
                open.push(Open { keys, key: "", index: 0 });
                if open.len() > MAX_DEPTH {
                    return Err(Remark::at(
                        path(&open[..MAX_DEPTH]),
                        Why::TooDeep { limit: MAX_DEPTH },
                    ));
                }
            }
            b'}' | b']' => {
                if let Some(Open { keys: Some(first), .. }) = open.pop() {
                    if let Some(twice) = twice(&keys[first..]) {
                        let place = join(path(&open), &twice);
                        return Err(Remark::at(place, Why::DuplicateKey));
                    }
                    keys.truncate(first);
                }
            }
            b',' => {
                if let Some(innermost) = open.last_mut() {
                    innermost.index += 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// The index after the string that begins at `start`.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    loop {
        match bytes.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            // The parser says that it does not end.
            None => return bytes.len(),
        }
    }
}

fn next_token(bytes: &[u8], from: usize) -> Option<u8> {
    bytes.get(from..)?.iter().copied().find(|byte| !b" \t\r\n".contains(byte))
}

/// A key that stands there twice.
fn twice<'a>(keys: &[&'a str]) -> Option<Cow<'a, str>> {
    if keys.len() <= FEW && !keys.iter().any(|key| key.contains('\\')) {
        let same = |(index, key): (usize, &&'a str)| keys[..index].contains(key).then_some(*key);
        return keys.iter().enumerate().find_map(same).map(Cow::Borrowed);
    }
    let mut sorted: Vec<Cow<'a, str>> = keys.iter().map(|key| unescaped(key)).collect();
    sorted.sort_unstable();
    sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone())
}

fn unescaped(key: &str) -> Cow<'_, str> {
    if !key.contains('\\') {
        return Cow::Borrowed(key);
    }
    serde_json::from_str(&format!("\"{key}\"")).map_or(Cow::Borrowed(key), Cow::Owned)
}

fn path(open: &[Open<'_>]) -> String {
    open.iter().fold(String::new(), |path, level| match level.keys {
        Some(_) => join(path, &unescaped(level.key)),
        None => format!("{path}[{}]", level.index),
    })
}

fn join(path: String, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { path + "." + key }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_given_twice_is_found_wherever_it_lies() {
        let many = |last: &str| {
            let keys: Vec<String> = (0..100).map(|n| format!("\"k{n}\":{n}")).collect();
            format!("{{{},\"{last}\":0}}", keys.join(","))
        };
        for (json, path) in [
            (r#"{"a":1,"a":2}"#, "a"),
            (r#"{"a":1,"\u0061":2}"#, "a"),
            (r#"{"x":[0,{"b":{"c":1},"b":{}}]}"#, "x[1].b"),
            (r#"{"a" : {"a":1} , "b":"\"a\":", "a":1}"#, "a"),
            (r#"[{"x":{"_unknown":[{"q":1,"r":2,"q":3}]}}]"#, "[0].x._unknown[0].q"),
            (&many("k7"), "k7"),
        ] {
            let fault = check(json).unwrap_err();
            assert_eq!((fault.path.as_str(), fault.why), (path, Why::DuplicateKey), "{json}");
        }
        for good in [
            r#"{"a":{"a":1},"b":[{"a":1},{"a":1}]}"#,
            r#"{"a":"a","b":"a\\","c":"{\"a\":1,\"a\":2}"}"#,
            r#"["a","a"]"#,
            &many("other"),
            r#"{"a":1,"a"#,
            "}]\"",
            "",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(check(&nested(MAX_DEPTH)), Ok(()));
        for depth in [MAX_DEPTH + 1, 1_000_000] {
            let fault = check(&nested(depth)).unwrap_err();
            assert_eq!(fault.why, Why::TooDeep { limit: MAX_DEPTH });
        }
        assert!(check(&r#"{"a":"#.repeat(100)).is_err());
    }
}
