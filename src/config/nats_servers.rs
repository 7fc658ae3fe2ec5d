//! NATS servers that run elsewhere, and who farelog is to them.

use std::fmt;
use std::path::Path;
use std::str::{FromStr, Utf8Error};

use async_nats::{ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;

use crate::cli::exit::Failure;

/// The servers of one cluster. What is shown of them has no password.
#[derive(Clone, PartialEq, Eq)]
pub struct NatsServers {
    /// Where they are; what stood before an `@` is in `login` only.
    addresses: Vec<ServerAddr>,
    login: Option<Login>,
}

/// What an address says before its `@`: the client does not look there.
#[derive(Clone, PartialEq, Eq)]
enum Login {
    User { name: String, password: String },
    Token(String),
}

impl NatsServers {
    /// Where they are.
    pub fn addresses(&self) -> &[ServerAddr] {
        &self.addresses
    }

    /// Options of a connection of this name, which says who farelog is: by the credentials in the file, else by the
    /// addresses.
    ///
    /// # Errors
    /// The file can't be read.
    pub async fn options(
        &self,
        name: &str,
        credentials: Option<&Path>,
    ) -> Result<ConnectOptions, Failure> {
        let options = ConnectOptions::new().name(name);
        if let Some(path) = credentials {
            return options.credentials_file(path).await.map_err(|error| {
                Failure::Failed(format!(
                    "the credentials in {} can't be read: {error}",
                    path.display()
                ))
            });
        }
        Ok(match self.login.clone() {
            Some(Login::User { name, password }) => options.user_and_password(name, password),
            Some(Login::Token(token)) => options.token(token),
            None => options,
        })
    }
}

impl FromStr for NatsServers {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut servers = Self {
            addresses: Vec::new(),
            login: None,
        };
        for address in text.split(',') {
            let (address, login) = read(address.trim()).ok_or(
                "write it as `embedded`, or as an address like nats://127.0.0.1:4222 or nats://user:password@127.0.0.1:4222, \
                 several with commas between; `@ / , % :` in a name or password are to be percent-encoded (`/` as %2F)",
            )?;
            servers.addresses.push(address);
            match (&servers.login, login) {
                (Some(one), Some(other)) if *one != other => {
                    return Err("name the same user in each address, or in one of them");
                }
                (None, login) => servers.login = login,
                (Some(_), _) => {}
            }
        }
        Ok(servers)
    }
}

/// An address that has a host, and who it names. The client takes one without a host, and never finds a server.
fn read(text: &str) -> Option<(ServerAddr, Option<Login>)> {
    // Whether this is a token or a user with an empty password can't be told once it is read as an address.
    if text.contains(":@") {
        return None;
    }
    let address: ServerAddr = text.parse().ok()?;
    if address.host().is_empty() {
        return None;
    }
    let login = Login::of(&address).ok()?;
    if login.is_none() && address.password().is_some() {
        return None;
    }
    let mut bare = address.into_inner();
    bare.set_username("").ok()?;
    bare.set_password(None).ok()?;
    let address = ServerAddr::from_url(bare.clone()).ok()?;
    // What comes after the host has a meaning for web sockets only; else it is most often of a password.
    let is_whole =
        matches!(bare.path(), "" | "/") && bare.query().is_none() && bare.fragment().is_none();
    (is_whole || address.is_websocket()).then_some((address, login))
}

/// An address as it may be shown: without a user, a password and what comes after the port.
pub fn shown_address(server: &ServerAddr) -> String {
    let (scheme, host, port) = (server.scheme(), server.host(), server.port());
    if host.contains(':') {
        format!("{scheme}://[{host}]:{port}")
    } else {
        format!("{scheme}://{host}:{port}")
    }
}

impl Login {
    /// As other clients of NATS read it: a name alone is a token.
    fn of(address: &ServerAddr) -> Result<Option<Self>, Utf8Error> {
        let plain = |text| Ok(percent_decode_str(text).decode_utf8()?.into_owned());
        let Some(name) = address.username() else {
            return Ok(None);
        };
        let name = plain(name)?;
        Ok(Some(match address.password() {
            Some(password) => Self::User {
                name,
                password: plain(password)?,
            },
            None => Self::Token(name),
        }))
    }
}

impl fmt::Display for NatsServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, server) in self.addresses.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma}{}", shown_address(server))?;
        }
        Ok(())
    }
}

impl fmt::Debug for NatsServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, password: &str) -> Login {
        Login::User {
            name: name.to_owned(),
            password: password.to_owned(),
        }
    }

    /// For long a user and a password in an address were taken, hidden wherever the address was shown, and never sent: the
    /// client passes over what stands before the `@`.
    #[test]
    fn an_address_says_who_farelog_is() {
        let token = Login::Token("s3cr3t".to_owned());
        for (text, login) in [
            ("nats://a:1", None),
            ("nats://u:p@a:1", Some(user("u", "p"))),
            ("u:p@a", Some(user("u", "p"))),
            (
                "nats://u:p%40ss%2Fw%C3%B8rd%2C@a",
                Some(user("u", "p@ss/wørd,")),
            ),
            ("nats://s3cr3t@a:1", Some(token)),
            ("nats://a:1,nats://u:p@b:2,nats://c:3", Some(user("u", "p"))),
            ("nats://u:p@a:1, nats://u:p@b:2", Some(user("u", "p"))),
        ] {
            let servers: NatsServers = text.parse().unwrap();
            assert!(servers.login == login, "{text}");
            for address in servers.addresses() {
                assert!(!address.has_user_pass(), "{text}");
                assert_eq!(address.password(), None, "{text}");
            }
        }
    }

    #[test]
    fn what_names_two_users_or_none_that_can_be_read_is_refused() {
        for unfit in [
            "nats://u:p@a:1,nats://u:q@b:2",
            "nats://u:p@a:1,nats://u@b:2",
            "nats://u%FF:p@a:1",
            "nats://u:p@",
            "nats://:secret@a",
            "nats://u:@a",
            "nats://:@a",
        ] {
            assert!(unfit.parse::<NatsServers>().is_err(), "{unfit:?}");
        }
    }

    /// Of a password with a `/` in it the first part was taken for a port, and shown; the user was taken for the host.
    #[test]
    fn what_is_not_percent_encoded_is_refused() {
        for unfit in [
            "nats://u:12/3@h",
            "nats://u:12?3@h",
            "tls://u:12#3@h",
            "nats://h/path",
            "nats://u:p,q@h",
        ] {
            let refused = unfit.parse::<NatsServers>().unwrap_err();
            assert!(refused.contains("percent-encoded"), "{unfit}: {refused}");
        }
        assert!("nats://h:4222/".parse::<NatsServers>().is_ok());
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        for (text, shown) in [
            ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
            ("tls://user:secret@127.0.0.1:4222", "tls://127.0.0.1:4222"),
            ("user:secret@a:1,nats://b", "nats://a:1,nats://b:4222"),
            ("nats://token@b", "nats://b:4222"),
            ("nats://[::1]:4222", "nats://[::1]:4222"),
        ] {
            let servers: NatsServers = text.parse().unwrap();
            assert_eq!(servers.to_string(), shown);
            assert_eq!(format!("{servers:?}"), shown);
        }
    }
}
