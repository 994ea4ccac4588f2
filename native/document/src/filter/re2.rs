//! Translation of RE2 syntax into that of crate `regex`. They differ in details only: here `\d \s
//! \w \b` are about ASCII, a lone `{` is text, `[` and `&&` in a class are text, `\Q…\E` quotes,
//! and a repetition counts to 1000 at most.

use crate::Error;

const MAX_REPETITIONS: u32 = 1000;

/// Returns `pattern` in the other syntax. What is wrong in both is left for the compiler to report.
pub(super) fn translate(pattern: &str) -> Result<String, Error> {
    let mut translator = Translator { rest: pattern, out: String::with_capacity(pattern.len()) };
    while let Some(letter) = translator.take() {
        match letter {
            '\\' => translator.escape()?,
            '[' => translator.class()?,
            '{' => translator.counted_repetition()?,
            '*' | '+' | '?' => {
                translator.out.push(letter);
                translator.end_repetition()?;
            }
            '(' => translator.group()?,
            _ => translator.out.push(letter),
        }
    }
    Ok(translator.out)
}

struct Translator<'a> {
    rest: &'a str,
    out: String,
}

fn fail<T>(message: &str) -> Result<T, Error> {
    Err(Error::RegexPattern(message.to_owned()))
}

/// The set that an escape names.
fn perl_class(letter: char) -> Option<&'static str> {
    Some(match letter {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        's' => r"[\t\n\x0C\r ]",
        'S' => r"[^\t\n\x0C\r ]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        _ => return None,
    })
}

/// Splits `n}`, `n,}` or `n,m}` off the front: what is before the brace, and what is after.
fn split_counts(text: &str) -> Option<(&str, &str)> {
    let (inner, rest) = text.split_once('}')?;
    let (low, high) = inner.split_once(',').unwrap_or((inner, inner));
    let is_count = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (!low.is_empty() && is_count(low) && is_count(high)).then_some((inner, rest))
}

impl Translator<'_> {
    fn take(&mut self) -> Option<char> {
        let letter = self.rest.chars().next()?;
        self.rest = self.rest.get(letter.len_utf8()..)?;
        Some(letter)
    }

    fn accept(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn literal(&mut self, letter: char) {
        self.out.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4])));
    }

    /// What follows a backslash outside a class.
    fn escape(&mut self) -> Result<(), Error> {
        match self.take() {
            None => return fail("trailing backslash"),
            Some('Q') => {
                let (quoted, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
                self.out.push_str(&regex::escape(quoted));
                self.rest = rest;
            }
            Some('b') => self.out.push_str(r"(?-u:\b)"),
            Some('B') => self.out.push_str(r"(?-u:\B)"),
            Some('C') => self.out.push_str("(?s-u:.)"),
            Some(letter) => match perl_class(letter) {
                Some(class) => self.out.push_str(class),
                None => self.common_escape(letter)?,
            },
        }
        Ok(())
    }

    /// An escape that stands for one character or a Unicode class, in a class or not.
    fn common_escape(&mut self, letter: char) -> Result<(), Error> {
        let is_octal = |digit: char| ('0'..='7').contains(&digit);
        match letter {
            '1'..='7' if !self.rest.starts_with(is_octal) => fail("no backreferences"),
            'x' | 'p' | 'P' => {
                let braced =
                    self.rest.starts_with('{').then(|| self.rest.split_once('}')).flatten();
                let (argument, rest) = braced.unwrap_or(("", self.rest));
                self.out.extend(['\\', letter]);
                self.out.push_str(argument);
                self.out.push_str(if argument.is_empty() { "" } else { "}" });
                self.rest = rest;
                Ok(())
            }
            '0'..='7' | 'a' | 'f' | 'n' | 'r' | 't' | 'v' | 'A' | 'z' => {
                self.out.extend(['\\', letter]);
                Ok(())
            }
            _ if letter.is_ascii() && !letter.is_ascii_alphanumeric() => {
                self.literal(letter);
                Ok(())
            }
            _ => fail(&format!("unknown escape \\{}", letter.escape_default())),
        }
    }

    /// A class whose bracket has been taken.
    fn class(&mut self) -> Result<(), Error> {
        self.out.push('[');
        if self.accept("^") {
            self.out.push('^');
        }
        let mut is_first = true;
        loop {
            if !is_first && self.accept("]") {
                self.out.push(']');
                return Ok(());
            }
            is_first = false;
            self.class_item()?;
            if self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                self.accept("-");
                self.out.push('-');
                self.class_item()?;
            }
        }
    }

    fn class_item(&mut self) -> Result<(), Error> {
        if let Some((name, rest)) = self.rest.strip_prefix("[:").and_then(|at| at.split_once(":]"))
            && name.bytes().all(|byte| byte == b'^' || byte.is_ascii_lowercase())
        {
            self.out.push_str(&format!("[:{name}:]"));
            self.rest = rest;
            return Ok(());
        }
        match self.take() {
            None => fail("unclosed character class"),
            Some('\\') => match self.take() {
                None => fail("trailing backslash"),
                Some(letter) => match perl_class(letter) {
                    Some(class) => {
                        self.out.push_str(class);
                        Ok(())
                    }
                    None => self.common_escape(letter),
                },
            },
            Some(letter) => {
                self.literal(letter);
                Ok(())
            }
        }
    }

    /// `{n}`, `{n,}` or `{n,m}` whose brace has been taken; anything else is text.
    fn counted_repetition(&mut self) -> Result<(), Error> {
        let Some((inner, rest)) = split_counts(self.rest) else {
            self.out.push_str("\\{");
            return Ok(());
        };
        let is_bounded = |count: &str| {
            count.is_empty() || count.parse::<u32>().is_ok_and(|count| count <= MAX_REPETITIONS)
        };
        if !inner.split(',').all(is_bounded) {
            return fail("repetition count is above 1000");
        }
        self.out.push_str(&format!("{{{inner}}}"));
        self.rest = rest;
        self.end_repetition()
    }

    /// What follows a repetition: `?` makes it lazy, another repetition is an error.
    fn end_repetition(&mut self) -> Result<(), Error> {
        if self.accept("?") {
            self.out.push('?');
        }
        let counts = self.rest.strip_prefix('{').and_then(split_counts);
        if counts.is_some() || self.rest.starts_with(['*', '+', '?']) {
            return fail("repetition of a repetition");
        }
        Ok(())
    }

    /// A group whose parenthesis has been taken: only flags that both syntaxes have.
    fn group(&mut self) -> Result<(), Error> {
        self.out.push('(');
        if self.rest.starts_with("?P<") || self.rest.starts_with("?<") || !self.accept("?") {
            return Ok(());
        }
        let end = self.rest.find([':', ')']).unwrap_or(0);
        match self.rest.split_at_checked(end) {
            Some((flags, rest)) if flags.chars().all(|flag| "imsU-".contains(flag)) => {
                self.out.push('?');
                self.out.push_str(flags);
                self.rest = rest;
                Ok(())
            }
            _ => fail("unknown group"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn translates_what_differs() {
        for (re2, other) in [
            (r"a.c$", r"a.c$"),
            (r"\d+\b", r"[0-9]+(?-u:\b)"),
            (r"[\d-]", r"[[0-9]\-]"),
            (r"[]a]", r"[\]a]"),
            (r"[^]a-z[&&]", r"[^\]a-z\[\&\&]"),
            (r"[[:alpha:]x]", r"[[:alpha:]x]"),
            (r"a{x}b{2}c{,3}d{1,}", r"a\{x}b{2}c\{,3}d{1,}"),
            (r"a*?b+c??d{2}?", r"a*?b+c??d{2}?"),
            (r"\Qa.b\E.", r"a\.b."),
            (r"\<\.\-", r"<\.\-"),
            (r"\pN\p{Greek}[\x{41}-\x5a]{2}", r"\pN\p{Greek}[\x{41}-\x5a]{2}"),
            (r"(?i)(?P<n>x)(?:y)", r"(?i)(?P<n>x)(?:y)"),
        ] {
            assert_eq!(translate(re2).as_deref(), Ok(other), "{re2}");
        }
    }

    #[test]
    fn refuses_what_only_the_other_syntax_has() {
        for pattern in [
            r"(a)\1", r"\u0041", r"(?x)a", r"(?=a)", r"a{1001}", r"[a", r"a\", "a**", "a{2}{3}",
            "a???",
        ] {
            assert!(translate(pattern).is_err(), "{pattern}");
        }
    }
}
