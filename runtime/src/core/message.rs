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
            self.push(byte);
        }
        self
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
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
        let (mut digits, mut value) = ([b'0'; 20], value.unsigned_abs());
        let mut count = 0;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (value % 10) as u8;
            value /= 10;
            count += 1;
            if value == 0 {
                break;
            }
        }
        for &digit in digits.get(20 - count..).unwrap_or(&[]) {
            self.push(digit);
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
