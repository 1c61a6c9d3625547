//! Versions of Kubernetes and Istio: what a scenario asks for, and what there is, as `stack/versions.yaml` says it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A minor version: 1.36.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Minor {
    major: u32,
    minor: u32,
}

impl FromStr for Minor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // `parse` alone takes a sign and leading zeros.
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| number.to_string() == text);
        let numbers = text.split_once('.').and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
        let (major, minor) = numbers.ok_or_else(|| "a version is written as MAJOR.MINOR, such as 1.36".to_owned())?;
        Ok(Self { major, minor })
    }
}

impl TryFrom<String> for Minor {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Minor> for String {
    fn from(minor: Minor) -> Self {
        minor.to_string()
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Minor {
    /// Whether two control planes of these versions of Istio may be in one mesh: the same version, or one and the next.
    #[must_use]
    pub fn may_share_a_mesh(self, other: Self) -> bool {
        self.major == other.major && self.minor.abs_diff(other.minor) <= 1
    }
}

/// The minor versions that a cluster runs; of what nobody asks for, the newest that its source has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Versions {
    /// Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Minor>,
    /// Istio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub istio: Option<Minor>,
}

impl Versions {
    /// Whether it asks for nothing.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// These, and of what they leave open the others.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self { kubernetes: self.kubernetes.or(others.kubernetes), istio: self.istio.or(others.istio) }
    }

    /// What a cluster runs: what it says, else the Istio of the cluster whose control plane it uses, else what the lab says.
    #[must_use]
    pub fn of_cluster(self, of_primary: Self, of_lab: Self) -> Self {
        self.or(Self { kubernetes: None, istio: of_primary.istio }).or(of_lab)
    }

    /// What is asked for, by product.
    pub fn asked(self) -> impl Iterator<Item = (Product, Minor)> {
        let all = [(Product::Kubernetes, self.kubernetes), (Product::Istio, self.istio)];
        all.into_iter().filter_map(|(product, version)| Some((product, version?)))
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.asked().map(|(product, version)| format!("{product} {version}")).collect();
        if words.is_empty() { f.write_str("the stack's own versions") } else { f.write_str(&words.join(", ")) }
    }
}

/// What has versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Kubernetes.
    Kubernetes,
    /// Istio.
    Istio,
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kubernetes => "Kubernetes",
            Self::Istio => "Istio",
        })
    }
}

/// A minor version that at least one source has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Available {
    /// The version in the packages source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packages: Option<String>,
    /// The version in the registry source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// The oldest and the newest minor version of Kubernetes that an Istio supports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<[Minor; 2]>,
    /// What it changes in the stack.
    #[serde(default, skip_serializing)]
    pub patch: Value,
}

/// What there is: by product its minor versions, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    kubernetes: BTreeMap<Minor, Available>,
    istio: BTreeMap<Minor, Available>,
}

impl Matrix {
    /// What this binary was built with. Nothing, if that is not valid, which a test sees.
    #[must_use]
    pub fn embedded() -> Self {
        let text = include_str!("../../stack/versions.yaml");
        serde_yaml::from_str(text).unwrap_or_else(|_| Self { kubernetes: BTreeMap::new(), istio: BTreeMap::new() })
    }

    /// The minor versions of a product, the newest first.
    pub fn of(&self, product: Product) -> impl Iterator<Item = (Minor, &Available)> {
        self.all(product).iter().rev().map(|(minor, available)| (*minor, available))
    }

    fn all(&self, product: Product) -> &BTreeMap<Minor, Available> {
        match product {
            Product::Kubernetes => &self.kubernetes,
            Product::Istio => &self.istio,
        }
    }

    /// One minor version, if there is such a one.
    #[must_use]
    pub fn find(&self, product: Product, minor: Minor) -> Option<&Available> {
        self.all(product).get(&minor)
    }

    /// What there is of a product, for a message.
    #[must_use]
    pub fn told(&self, product: Product) -> String {
        let one = |(minor, available): (Minor, &Available)| {
            let of = |source: &str, version: &Option<String>| version.as_ref().map(|v| format!("{source}: {v}"));
            let sources = [of("packages", &available.packages), of("registry", &available.registry)];
            format!("{minor} ({})", sources.into_iter().flatten().collect::<Vec<_>>().join(", "))
        };
        self.of(product).map(one).collect::<Vec<_>>().join(", ")
    }

    /// The version of a product that a cluster gets: what it asks for, or the newest of the sources that serve.
    #[must_use]
    pub fn effective(&self, product: Product, asked: Option<Minor>, (packages, registry): (bool, bool)) -> Minor {
        let serves = |available: &Available| {
            packages && available.packages.is_some() || registry && available.registry.is_some()
        };
        asked.or_else(|| self.of(product).find(|(_, a)| serves(a)).map(|(minor, _)| minor)).unwrap_or_default()
    }

    /// The sources that have all of these versions: packages, registry.
    #[must_use]
    pub fn served(&self, all: impl IntoIterator<Item = Versions>) -> (bool, bool) {
        all.into_iter().flat_map(Versions::asked).fold((true, true), |(packages, registry), (product, minor)| {
            let available = self.find(product, minor);
            let has = |of: fn(&Available) -> &Option<String>| available.is_some_and(|a| of(a).is_some());
            (packages && has(|a| &a.packages), registry && has(|a| &a.registry))
        })
    }

    /// The oldest and the newest Kubernetes that an Istio supports, if this one is not among them.
    #[must_use]
    pub fn unsupported(&self, istio: Minor, kubernetes: Minor) -> Option<[Minor; 2]> {
        let [least, most] = self.find(Product::Istio, istio)?.kubernetes?;
        (kubernetes < least || kubernetes > most).then_some([least, most])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minor(text: &str) -> Minor {
        text.parse().expect("a version")
    }

    fn asks(kubernetes: &str, istio: &str) -> Versions {
        Versions { kubernetes: kubernetes.parse().ok(), istio: istio.parse().ok() }
    }

    #[test]
    fn the_embedded_matrix_is_whole() {
        let matrix = Matrix::embedded();
        for product in [Product::Kubernetes, Product::Istio] {
            assert!(matrix.of(product).filter(|(_, a)| a.packages.is_some()).count() >= 2, "{product}");
            for (minor, available) in matrix.of(product) {
                assert!(available.packages.is_some() || available.registry.is_some(), "{product} {minor}");
                assert_eq!(available.kubernetes.is_some(), product == Product::Istio, "{product} {minor}");
            }
            let newest = matrix.of(product).next().expect("a version");
            assert!(newest.1.patch.is_null(), "the newest {product} is what stack.yaml says");
        }
    }

    #[test]
    fn the_newest_comes_first_by_number() {
        let text = "kubernetes: { '1.9': { packages: a }, '1.10': { registry: b } }\nistio: {}";
        let matrix: Matrix = serde_yaml::from_str(text).expect("a matrix");
        assert_eq!(matrix.told(Product::Kubernetes), "1.10 (registry: b), 1.9 (packages: a)");
        assert_eq!(matrix.served([asks("1.9", "")]), (true, false));
        assert_eq!(matrix.served([asks("1.9", ""), asks("1.10", "")]), (false, false));
        assert_eq!(matrix.served([Versions::default()]), (true, true));
        let newest = |sources| matrix.effective(Product::Kubernetes, None, sources);
        assert_eq!((newest((true, false)), newest((true, true))), (minor("1.9"), minor("1.10")));
    }

    #[test]
    fn skew_is_at_most_one_minor_version() {
        let may = |one, other| minor(one).may_share_a_mesh(minor(other));
        assert!(may("1.31", "1.32") && may("1.32", "1.31") && may("1.9", "1.10"));
        assert!(!may("1.30", "1.32") && !may("1.31", "2.31"));
        for wrong in ["1", "v1.36", "1.36.3", "01.36", "1.036", "+1.36", "1.+36", ""] {
            assert!(wrong.parse::<Minor>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_istio_supports_a_range_of_kubernetes() {
        let matrix = Matrix::embedded();
        assert_eq!(matrix.unsupported(minor("1.31"), minor("1.36")), None);
        assert_eq!(matrix.unsupported(minor("1.31"), minor("1.31")), Some([minor("1.32"), minor("1.36")]));
    }

    #[test]
    fn a_cluster_says_what_differs_from_its_lab() {
        assert_eq!(asks("1.35", "").or(asks("1.36", "1.31")), asks("1.35", "1.31"));
        assert_eq!(asks("", "").of_cluster(asks("1.35", "1.31"), asks("1.36", "1.32")), asks("1.36", "1.31"));
        assert_eq!(asks("1.35", "1.31").to_string(), "Kubernetes 1.35, Istio 1.31");
    }
}
