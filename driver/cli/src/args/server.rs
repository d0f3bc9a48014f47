//! The options of a server, wherever one is started. Each is one row of a table.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use vloopback_daemon::{Config, ServerError, Share, default_socket};

use super::{SocketArgs, absolute};
use crate::image_file;

/// An option as clap leaves it: given, or not.
trait Given {
    type Value;
    /// What it was given; None: it was not given.
    fn value(&self) -> Option<&Self::Value>;
    /// The argument behind its name; None: it has none.
    fn argument(value: &Self::Value) -> Option<OsString>;
}

impl Given for bool {
    type Value = bool;

    fn value(&self) -> Option<&bool> {
        self.then_some(self)
    }

    fn argument(_: &bool) -> Option<OsString> {
        None
    }
}

impl<T: Argument> Given for Option<T> {
    type Value = T;

    fn value(&self) -> Option<&T> {
        self.as_ref()
    }

    fn argument(value: &T) -> Option<OsString> {
        Some(value.as_argument())
    }
}

/// A value as another process of this program reads it, which may have another current directory.
trait Argument {
    fn as_argument(&self) -> OsString;
}

impl Argument for u32 {
    fn as_argument(&self) -> OsString {
        self.to_string().into()
    }
}

impl Argument for i32 {
    fn as_argument(&self) -> OsString {
        self.to_string().into()
    }
}

impl Argument for String {
    fn as_argument(&self) -> OsString {
        self.into()
    }
}

impl Argument for PathBuf {
    fn as_argument(&self) -> OsString {
        absolute(self.clone()).into()
    }
}

/// Makes of one list the options' struct, which clap fills, and what is done with them. A row is the option's help, its
/// name and field, and what it sets in the configuration; an error there is text.
macro_rules! server_options {
    (
        $(#[$outer:meta])*
        pub struct $args:ident {
            $($(#[$meta:meta])* $long:literal $field:ident: $type:ty => |$config:pat_param, $value:pat_param| $set:expr;)*
        }
    ) => {
        $(#[$outer])*
        pub struct $args {
            $($(#[$meta])* #[arg(long = $long)] pub $field: $type,)*
            /// Where the server listens.
            #[command(flatten)]
            pub socket: SocketArgs,
        }

        impl $args {
            /// Puts the options that were given, but the socket, into the configuration.
            fn apply(&self, config: &mut Config) -> Result<(), String> {
                $(if let Some(value) = Given::value(&self.$field) {
                    let set: fn(&mut Config, &<$type as Given>::Value) -> Result<(), String> =
                        |$config, $value| {
                            $set;
                            Ok(())
                        };
                    set(config, value)?;
                })*
                Ok(())
            }

            /// The options that were given, but the socket: name, and value where it has one.
            fn given(&self) -> Vec<(&'static str, Option<OsString>)> {
                let mut given = Vec::new();
                $(if let Some(value) = Given::value(&self.$field) {
                    given.push((concat!("--", $long), <$type as Given>::argument(value)));
                })*
                given
            }
        }
    };
}

server_options! {
/// The server's options, as the old module's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct ServerArgs {
    /// Number of pipes to make at the start [default: 1]
    #[arg(value_name = "N")]
    "pipes" pipes: Option<u32> => |config, number| config.pipes = *number;
    /// Number of free pipes to keep; the server makes another when a claim leaves fewer [default: 0]
    #[arg(value_name = "N")]
    "spares" spares: Option<u32> => |config, number| config.spares = *number;
    /// Number of V4L1 frames that a client may map, 2 to 30 [default: 2]
    #[arg(value_name = "N")]
    "num-buffers" num_buffers: Option<u32> => |config, number| config.num_buffers = *number;
    /// First node number; -1 takes the lowest free ones [default: -1]
    #[arg(value_name = "N", allow_negative_numbers = true)]
    "dev-offset" dev_offset: Option<i32> => |config, number| config.dev_offset = *number;
    /// Which nodes get the low numbers: input-first (output = input + 1) or output-first (/dev/video0 is a
    /// camera) [default: input-first]
    #[arg(value_name = "ORDER")]
    "order" order: Option<String> => |config, word| config.order = word.parse()?;
    /// The set of policies: default, or vloopback (the old driver's rules for every program) [default: default]
    #[arg(value_name = "P")]
    "profile" profile: Option<String> => |config, word| config.profile = word.parse()?;
    /// What clients get while nobody pushes: placeholder (a no-signal card), wait (for a frame), refuse (open
    /// fails) [default: the profile's]
    #[arg(value_name = "POLICY")]
    "idle" idle: Option<String> => |config, word| config.idle = Some(word.parse()?);
    /// Let only one program stream from a pipe; others get EBUSY
    "exclusive" exclusive: bool => |config, _| {
        // The command line goes before the file: of the two it may name one.
        (config.exclusive, config.share) = (true, Share::Processes);
    };
    /// Who may stream from a pipe at once: processes (each by one descriptor) or all (a program may stream twice)
    /// [default: processes]
    #[arg(value_name = "WHO", conflicts_with = "exclusive")]
    "share" share: Option<String> => |config, word| {
        config.share = word.parse()?;
        config.exclusive &= config.share != Share::All;
    };
    /// The picture that clients see while nobody pushes, instead of the no-signal card: .png, .jpg, or a file that
    /// ffmpeg reads
    #[arg(value_name = "FILE")]
    "timeout-image" timeout_image: Option<PathBuf> => |config, file| config.timeout_image = Some(file.clone());
    /// Also show that picture, or the card, when a pusher has pushed nothing for this many milliseconds; 0 means
    /// never [default: 0]
    #[arg(value_name = "MS")]
    "timeout" timeout: Option<u32> => |config, millis| config.timeout = Duration::from_millis((*millis).into());
    /// A TOML file with these options; options on the command line win over it
    #[arg(value_name = "FILE")]
    "config" config: Option<PathBuf> => |_, _| {
        // It is read before the others.
    };
}
}

impl ServerArgs {
    /// The whole configuration: defaults, then the file, then the command line.
    ///
    /// # Errors
    /// [`ServerError::Config`] for the file, [`ServerError::Option`] for a value out of range or a picture
    /// that cannot be read.
    pub fn config(&self) -> Result<Config, ServerError> {
        let mut config = Config { socket: default_socket(None), ..Config::default() };
        if let Some(file) = &self.config {
            config.merge_file(file)?;
        }
        self.apply(&mut config).map_err(ServerError::Option)?;
        if let Some(socket) = &self.socket.socket {
            config.socket = socket.clone();
        }
        config.socket = absolute(config.socket);
        config.check()?;
        config.pictures = image_file::read_all(config.picture_files())
            .map_err(|error| ServerError::Option(format!("the timeout image: {error}")))?;
        Ok(config)
    }

    /// The options that shape a new server, as the user wrote them, for a message about those that
    /// a running server does not take any more. Empty where there are none. Without `--order`, of which it
    /// shows whether it has it.
    pub fn shaping(&self) -> Vec<&'static str> {
        self.given().into_iter().map(|(name, _)| name).filter(|name| *name != "--order").collect()
    }

    /// These options as arguments for another process of this program that may have another
    /// current directory. `socket` is the path that the whole configuration came to.
    pub fn to_arguments(&self, socket: PathBuf) -> Vec<OsString> {
        let mut given = self.given();
        given.push(("--socket", Some(socket.into())));
        given.into_iter().flat_map(|(name, value)| std::iter::once(name.into()).chain(value)).collect()
    }
}
