//! `ipFamily`.

use serde_json::Value as Json;

use super::super::error::Problems;
use super::super::form::{ANY_TEXT, Form, OneOf, Place, Written};
use super::super::model::IpFamily;
use super::super::problem::AddressProblem;
use super::super::tree::{Located, Node};

/// What the field is.
pub(super) const ABOUT: &str = "Which addresses nodes, pods, services and gateways have: IPv4 ones, or IPv6 ones as well; lab chooses the IPv6 ones";

/// The families that a lab may have. That one of IPv6 alone is none has a reason of its own.
pub(super) const FAMILY: Family =
    Family(OneOf { what: "ipFamily", words: &[("ipv4", IpFamily::Ipv4), ("dual", IpFamily::Dual)] });

pub(super) struct Family(OneOf<IpFamily>);

impl Form for Family {
    type Value = Located<IpFamily>;

    fn read(&self, node: &Node, place: &Place, problems: &mut Problems) -> Option<Self::Value> {
        let word = ANY_TEXT.read(node, place, problems)?;
        if word.value == "ipv6" {
            problems.add(node.span, AddressProblem::Ipv6Alone);
            return None;
        }
        self.0.read(node, place, problems)
    }

    fn write(&self, family: Self::Value) -> Written {
        self.0.write(family)
    }

    fn schema(&self) -> Json {
        self.0.schema()
    }
}
