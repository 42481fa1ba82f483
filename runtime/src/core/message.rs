//! Error messages in a fixed buffer, without `core::fmt` (which would be most of a static archive).

/// A text of up to 480 bytes; what does not fit is cut.
pub(crate) struct Message {
    bytes: [u8; 480],
    len: usize,
}

impl Message {
    pub(crate) const fn new() -> Message {
        Message { bytes: [0; 480], len: 0 }
    }

    pub(crate) fn clear(&mut self) -> &mut Message {
        self.len = 0;
        self
    }

    /// Appends a text, cut at the end of the buffer.
    pub(crate) fn text(&mut self, text: &str) -> &mut Message {
        for &byte in text.as_bytes() {
            if let Some(place) = self.bytes.get_mut(self.len) {
                *place = byte;
                self.len += 1;
            }
        }
        self
    }

    /// Appends a name in double quotes.
    pub(crate) fn quoted(&mut self, name: &str) -> &mut Message {
        self.text("\"").text(name).text("\"")
    }

    /// Appends a number in decimal.
    pub(crate) fn number(&mut self, value: i64) -> &mut Message {
        if value < 0 {
            self.text("-");
        }
        let value = value.unsigned_abs();
        let mut power = 1u64;
        while value / power >= 10 {
            power *= 10;
        }
        while power > 0 {
            let digit = (value / power % 10) as usize;
            self.text("0123456789".get(digit..=digit).unwrap_or("?"));
            power /= 10;
        }
        self
    }

    /// The bytes so far. A multi-byte character may be cut at the very end.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::Message;

    #[test]
    fn numbers_and_cuts() {
        let mut message = Message::new();
        message
            .number(0)
            .text(" ")
            .number(-7)
            .text(" ")
            .number(i64::MIN)
            .text(" ")
            .number(i64::MAX)
            .text(" ")
            .quoted("a");
        assert_eq!(message.bytes(), format!("0 -7 {} {} \"a\"", i64::MIN, i64::MAX).as_bytes());
        message.clear().text(&"x".repeat(10_000));
        assert_eq!(message.bytes().len(), 480);
    }
}
