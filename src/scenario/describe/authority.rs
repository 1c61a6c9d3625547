//! `mesh.ca`.

use super::{ANY_TEXT, Kind, Mapping, field};

/// `mesh.ca`.
pub(in crate::scenario) const CA: Mapping = Mapping {
    description: "A certificate authority of your own; by default lab makes one for the lab",
    fields: &[
        field("files", Kind::Mapping(&CA_FILES), CA_FILES.description).required(),
        field(
            "intermediates",
            Kind::Names(&Kind::Mapping(&INTERMEDIATE)),
            "Intermediates that you have issued, by cluster; lab issues those of other clusters with rootKey",
        )
        .default("{}")
        .example("{\"c1\": {\"caCert\": \"ca/c1/ca-cert.pem\", \"caKey\": \"ca/c1/ca-key.pem\"}}"),
    ],
};

/// `mesh.ca.files`.
pub(in crate::scenario) const CA_FILES: Mapping = Mapping {
    description: "PEM files of the root, relative to the scenario's file",
    fields: &[
        field("rootCert", ANY_TEXT, "The root certificate, signed by itself").required().example("ca/root-cert.pem"),
        field(
            "rootKey",
            ANY_TEXT,
            "Its private key; not needed if every cluster with a control plane has an intermediate",
        )
        .example("ca/root-key.pem"),
    ],
};

/// An entry of `mesh.ca.intermediates`.
pub(in crate::scenario) const INTERMEDIATE: Mapping = Mapping {
    description: "An intermediate authority that the root has signed, as PEM files",
    fields: &[
        field("caCert", ANY_TEXT, "Its certificate").required().example("ca/c1/ca-cert.pem"),
        field("caKey", ANY_TEXT, "Its private key").required().example("ca/c1/ca-key.pem"),
        field("certChain", ANY_TEXT, "The certificates from it up to the root; needed only if others are between them")
            .example("ca/c1/cert-chain.pem"),
    ],
};
