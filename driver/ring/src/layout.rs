//! A number that tells whether two builds agree on the shared pages: it is made of every field's name, place and size.
//!
//! A library and a daemon of the same version may come from different builds with different pages, and would not
//! notice, because the pages consist of atomics only. So the greeting contains this number
//! (`vloopback_wire::build_id`).

/// FNV-1a, over names and numbers.
#[derive(Clone, Copy)]
pub(crate) struct Hash(u64);

impl Hash {
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    const fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3))
    }

    pub(crate) const fn text(mut self, text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut k = 0;
        while k < bytes.len() {
            self = self.byte(bytes[k]);
            k += 1;
        }
        self.byte(0)
    }

    pub(crate) const fn number(mut self, number: usize) -> Self {
        let bytes = (number as u64).to_le_bytes();
        let mut k = 0;
        while k < bytes.len() {
            self = self.byte(bytes[k]);
            k += 1;
        }
        self
    }

    pub(crate) const fn value(self) -> u64 {
        self.0
    }
}

/// `layout!(Page { field, field })`: a constant function `layout` that adds the type's name, size, and the name and
/// place of each field to a [`Hash`]. A field that is left out does not compile.
macro_rules! layout {
    ($name:ident: $type:ident { $($field:ident),* $(,)? }) => {
        pub(crate) const fn $name(hash: crate::layout::Hash) -> crate::layout::Hash {
            #[allow(dead_code, clippy::no_effect_underscore_binding)]
            const fn names_all(of: &$type) {
                let $type { $($field: _),* } = of;
            }
            hash.text(stringify!($type)).number(size_of::<$type>())
                $(.text(stringify!($field)).number(core::mem::offset_of!($type, $field)))*
        }
    };
}
pub(crate) use layout;

/// See the module's page.
pub const LAYOUT: u64 = {
    let hash = Hash::new().number(crate::MAX_SLOTS).number(crate::MAX_ROWS).number(crate::PAGE_LEN);
    let hash = crate::lock::layout(hash);
    let hash = crate::rate::layout(crate::clock::layout(crate::log::slot_layout(crate::log::layout(hash))));
    let hash = crate::claims_page::row_layout(crate::claims_page::layout(hash));
    let hash = crate::board::lifeline_layout(crate::board::layout(hash));
    let hash = crate::session::buffer_layout(crate::session::layout(hash));
    let hash = crate::events::subscription_layout(crate::events::layout(hash));
    let hash = crate::request_slot::message_layout(crate::request_slot::layout(hash));
    crate::pusher_page::layout(hash).number(crate::board::WORDS).value()
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_count() {
        let of = |text, number| Hash::new().text(text).number(number).value();
        assert_ne!(of("head", 16), of("head", 24));
        assert_ne!(of("head", 16), of("heads", 16));
        assert_eq!(of("head", 16), of("head", 16));
        assert_ne!(LAYOUT, 0);
    }
}
