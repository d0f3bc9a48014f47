//! Compile-time checks of structure layout.

/// Asserts the size of a structure and the offset of each of its fields.
///
/// Every field must be listed: the pattern below names them all, so a field that was forgotten
/// here, or a new one, does not compile.
macro_rules! assert_layout {
    ($($ty:ident: $size:literal { $($field:ident: $offset:literal),* $(,)? })*) => {$(
        const _: () = {
            assert!(size_of::<$ty>() == $size, concat!("size of ", stringify!($ty)));
            $(assert!(
                core::mem::offset_of!($ty, $field) == $offset,
                concat!("offset of ", stringify!($ty), "::", stringify!($field))
            );)*
            #[allow(dead_code)]
            const fn every_field_is_listed(value: &$ty) {
                let $ty { $($field: _),* } = value;
            }
        };
    )*};
}

/// Gives structures a `Default` of all zero bytes, which the derive cannot do for long arrays.
macro_rules! zero_default {
    ($($ty:ident),* $(,)?) => {$(
        impl Default for $ty {
            /// All bytes zero.
            fn default() -> Self {
                zerocopy::FromZeros::new_zeroed()
            }
        }
    )*};
}

pub(crate) use {assert_layout, zero_default};
