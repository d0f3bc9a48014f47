//! The macro that makes the methods of both APIs' traits.

/// A trait method of the shape of the row's kind; the default answer is ENOTTY.
macro_rules! method {
    (Refused, $(#[$doc:meta])+ $method:ident, $ty:ty) => {};
    (Plain, $(#[$doc:meta])+ $method:ident, $ty:ty) => {
        $(#[$doc])+
        fn $method(&mut self) -> Result<(), Errno> {
            Err(Errno::ENOTTY)
        }
    };
    (Get, $(#[$doc:meta])+ $method:ident, $ty:ty) => {
        $(#[$doc])+
        fn $method(&mut self) -> Result<$ty, Errno> {
            Err(Errno::ENOTTY)
        }
    };
    (Set, $(#[$doc:meta])+ $method:ident, $ty:ty) => {
        $(#[$doc])+
        fn $method(&mut self, value: $ty) -> Result<(), Errno> {
            let _ = value;
            Err(Errno::ENOTTY)
        }
    };
    (Exchange, $(#[$doc:meta])+ $method:ident, $ty:ty) => {
        $(#[$doc])+
        fn $method(&mut self, value: $ty) -> Result<$ty, Errno> {
            let _ = value;
            Err(Errno::ENOTTY)
        }
    };
    (List, $(#[$doc:meta])+ $method:ident, $ty:ty) => {
        $(#[$doc])+
        fn $method(&mut self, head: &mut $ty, controls: &mut dyn ControlList) -> Result<(), Errno> {
            let _ = (head, controls);
            Err(Errno::ENOTTY)
        }
    };
}
