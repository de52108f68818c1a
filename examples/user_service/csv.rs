//! A file of users: `username,password_hash` in each line, read one line at a time whatever the
//! file's size.
//!
//! The first comma ends the name and all after it is the hash, commas included (the hashes of
//! argon2 have some). A field may be quoted as in RFC 4180 (`"a ""b"", c"`), but no field goes over
//! the end of its line. A first line that says `username,password_hash` is a heading. Empty lines
//! are passed over.
//!
//! Refuses to know: which names and hashes are good. The service decides that.

use std::io;
use std::path::Path;

use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

/// Bytes of one line. Ten times what the service takes; a file that is no text would be one line of
/// its whole length.
const MAX_LINE: u64 = 8 * 1024;

/// One line of the file.
#[derive(Debug, PartialEq)]
pub struct Line {
    /// Counted from 1, as editors do.
    pub number: u64,
    pub user: Result<User, &'static str>,
}

#[derive(Debug, PartialEq)]
pub struct User {
    pub username: String,
    pub password_hash: String,
}

/// The file, open at some line.
pub struct Lines {
    file: BufReader<File>,
    size: u64,
    read: u64,
    number: u64,
}

impl Lines {
    pub async fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path).await?;
        let size = file.metadata().await?.len();
        Ok(Self {
            file: BufReader::new(file),
            size,
            read: 0,
            number: 0,
        })
    }

    /// The length of the file in bytes; 0 for a pipe.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes read so far, up to the end of the last line.
    pub fn read(&self) -> u64 {
        self.read
    }

    /// The next user, or what is wrong with the line; `None` at the end of the file. After an error
    /// there is nothing more to be had.
    pub async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let mut bytes = Vec::new();
            let read = (&mut self.file)
                .take(MAX_LINE + 1)
                .read_until(b'\n', &mut bytes)
                .await? as u64;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if read > MAX_LINE {
                // Whether the next line begins soon or in a gigabyte: not worth finding out.
                let problem = format!("line {} is longer than {MAX_LINE} bytes", self.number);
                return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
            }
            self.read += read;
            let user = match std::str::from_utf8(&bytes) {
                Ok(text) => {
                    let text = text.strip_suffix('\n').unwrap_or(text);
                    let text = text.strip_suffix('\r').unwrap_or(text);
                    if text.is_empty() || (self.number == 1 && text == "username,password_hash") {
                        continue;
                    }
                    split(text)
                }
                Err(_) => Err("not UTF-8"),
            };
            return Ok(Some(Line {
                number: self.number,
                user,
            }));
        }
    }
}

fn split(line: &str) -> Result<User, &'static str> {
    const SHAPE: &str = "expected username,password_hash";
    let (username, rest) = match line.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None => {
            let end = line.find(',').unwrap_or(line.len());
            (line[..end].to_owned(), &line[end..])
        }
    };
    let rest = rest.strip_prefix(',').ok_or(SHAPE)?;
    let (password_hash, rest) = match rest.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None => (rest.to_owned(), ""),
    };
    if rest.is_empty() {
        Ok(User {
            username,
            password_hash,
        })
    } else {
        Err(SHAPE)
    }
}

/// The field whose opening quote was just passed, and what follows the closing one. A quote inside
/// is written twice.
fn unquote(text: &str) -> Result<(String, &str), &'static str> {
    let (mut field, mut rest) = (String::new(), text);
    loop {
        let (part, after) = rest
            .split_once('"')
            .ok_or("a quoted field without its closing quote")?;
        field.push_str(part);
        let Some(more) = after.strip_prefix('"') else {
            return Ok((field, after));
        };
        field.push('"');
        rest = more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        // (line, username and password_hash or the problem, why this row)
        for (line, expected, why) in [
            ("alice,secret", Ok(("alice", "secret")), "the plain one"),
            (
                "a,$argon2id$v=19$m=1,t=2$s$h",
                Ok(("a", "$argon2id$v=19$m=1,t=2$s$h")),
                "commas of a hash",
            ),
            (
                "a,",
                Ok(("a", "")),
                "the service says what it thinks of an empty hash",
            ),
            (",b", Ok(("", "b")), "and of an empty name"),
            (" a , b ", Ok((" a ", " b ")), "spaces count in CSV"),
            (r#""a, b",c"#, Ok(("a, b", "c")), "a quoted comma"),
            (
                r#""say ""hi""","c""#,
                Ok((r#"say "hi""#, "c")),
                "quoted quotes",
            ),
            (r#""","""#, Ok(("", "")), "two empty quoted fields"),
            (
                r#"a,b"c"#,
                Ok(("a", r#"b"c"#)),
                "a quote inside a plain field is a quote",
            ),
            ("ä,ö", Ok(("ä", "ö")), "not only ASCII"),
            ("alice", Err("expected username,password_hash"), "one field"),
            (
                r#""a"b,c"#,
                Err("expected username,password_hash"),
                "text after a closing quote",
            ),
            (
                r#"a,"b","c""#,
                Err("expected username,password_hash"),
                "three fields",
            ),
            (
                r#""a,b"#,
                Err("a quoted field without its closing quote"),
                "never closed",
            ),
            (
                r#"a,""#,
                Err("a quoted field without its closing quote"),
                "a quote alone",
            ),
        ] {
            let expected = expected.map(|(name, hash): (&str, &str)| User {
                username: name.to_owned(),
                password_hash: hash.to_owned(),
            });
            assert_eq!(split(line), expected, "{why}: {line}");
        }
    }

    /// Each line as `number: username` or `number: problem`; last, the error if there was one.
    async fn read_all(content: &[u8]) -> Vec<String> {
        let path = std::env::temp_dir().join(format!("temaki-csv-{}.csv", std::process::id()));
        std::fs::write(&path, content).unwrap();
        let (mut lines, mut seen) = (Lines::open(&path).await.unwrap(), Vec::new());
        assert_eq!(lines.size(), content.len() as u64);
        loop {
            match lines.next().await {
                Ok(Some(Line {
                    number,
                    user: Ok(user),
                })) => seen.push(format!("{number}: {}", user.username)),
                Ok(Some(Line {
                    number,
                    user: Err(problem),
                })) => seen.push(format!("{number}: {problem}")),
                Ok(None) => {
                    assert_eq!(lines.read(), lines.size());
                    break;
                }
                Err(error) => {
                    seen.push(error.to_string());
                    break;
                }
            }
        }
        std::fs::remove_file(&path).unwrap();
        seen
    }

    #[tokio::test]
    async fn files() {
        let mut endless = b"a,b\n".to_vec();
        endless.resize(100_000, b'x');
        // (content, lines, why this row)
        for (content, expected, why) in [
            (&b""[..], &[][..], "empty"),
            (b"username,password_hash\n", &[], "a heading only"),
            (
                b"username,password_hash\r\na,b\r\n\r\nc,d",
                &["2: a", "4: c"],
                "as a spreadsheet writes it",
            ),
            (
                b"a,b\nusername,password_hash\n",
                &["1: a", "2: username"],
                "a heading is the first line",
            ),
            (
                b"a,b\nc\nd,e\n",
                &["1: a", "2: expected username,password_hash", "3: d"],
                "a bad line hides no other",
            ),
            (
                b"a,b\n\xff,c\nd,e",
                &["1: a", "2: not UTF-8", "3: d"],
                "Latin-1",
            ),
            (
                &endless,
                &["1: a", "line 2 is longer than 8192 bytes"],
                "not a text",
            ),
        ] {
            assert_eq!(read_all(content).await, expected, "{why}");
        }
    }
}
