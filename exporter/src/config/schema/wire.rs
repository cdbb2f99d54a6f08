//! What goes into TCP options, to whom, and from whom it is believed.

use ipnet::IpNet;

use super::super::{
    value::names,
    visit::{Section, Visitor, any},
};

names! {
    /// A format of the TCP option.
    OptionFormat {
        /// Lanewire's own.
        Native = "native",
    }
}

/// `inject`.
#[derive(Clone, Debug, PartialEq)]
pub struct Inject {
    /// Peers that get the option.
    pub to: Vec<IpNet>,
}

/// `trust`.
#[derive(Clone, Debug, PartialEq)]
pub struct Trust {
    /// Peers whose option is believed.
    pub from: Vec<IpNet>,
}

/// `option`.
#[derive(Clone, Debug, PartialEq)]
pub struct TcpOption {
    /// The formats that are read.
    pub read: Vec<OptionFormat>,
    /// The format that is written.
    pub write: OptionFormat,
}

/// Loopback, RFC 1918, shared address space (RFC 6598), link-local and unique local addresses.
pub fn private_networks() -> Vec<IpNet> {
    let v4 = |a, b, prefix| IpNet::new_assert(std::net::Ipv4Addr::new(a, b, 0, 0).into(), prefix);
    let v6 = |first, prefix| {
        IpNet::new_assert(
            std::net::Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0).into(),
            prefix,
        )
    };
    vec![
        v4(127, 0, 8),
        v4(10, 0, 8),
        v4(172, 16, 12),
        v4(192, 168, 16),
        v4(100, 64, 10),
        v4(169, 254, 16),
        IpNet::new_assert(std::net::Ipv6Addr::LOCALHOST.into(), 128),
        v6(0xfc00, 7),
        v6(0xfe80, 10),
    ]
}

impl Default for Inject {
    fn default() -> Self {
        Self {
            to: private_networks(),
        }
    }
}

impl Default for Trust {
    fn default() -> Self {
        Self {
            from: private_networks(),
        }
    }
}

impl Default for TcpOption {
    fn default() -> Self {
        Self {
            read: vec![OptionFormat::Native],
            write: OptionFormat::Native,
        }
    }
}

impl Section for Inject {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalars("to", &mut self.to, any);
    }
}

impl Section for Trust {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalars("from", &mut self.from, any);
    }
}

impl Section for TcpOption {
    fn visit<V: Visitor>(&mut self, v: &mut V) {
        v.scalars("read", &mut self.read, any);
        v.scalar("write", &mut self.write, any);
    }
}
