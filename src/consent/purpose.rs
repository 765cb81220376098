//! Purposes of use: the codes that destinations and consents speak of.

/// One purpose of use.
#[derive(Debug)]
pub struct Purpose {
    /// Its code, such as `TREAT`.
    pub code: &'static str,
    /// The code it is a kind of; empty at the top.
    pub parent: &'static str,
    /// What it means.
    pub about: &'static str,
}

const fn row(code: &'static str, parent: &'static str, about: &'static str) -> Purpose {
    Purpose { code, parent, about }
}

/// The purposes of use, broader ones before their kinds.
///
/// Source: HL7 v3 Code System ActReason, concepts under PurposeOfUse.
pub const PURPOSES: &[Purpose] = &[
    row("HMARKT", "", "healthcare marketing"),
    row("HOPERAT", "", "healthcare operations"),
    row("CAREMGT", "HOPERAT", "care management"),
    row("DONAT", "HOPERAT", "donation"),
    row("FRAUD", "HOPERAT", "fraud"),
    row("GOV", "HOPERAT", "government"),
    row("HACCRED", "HOPERAT", "health accreditation"),
    row("HCOMPL", "HOPERAT", "health compliance"),
    row("HDECD", "HOPERAT", "handling of a decedent"),
    row("HDIRECT", "HOPERAT", "directory"),
    row("HDM", "HOPERAT", "healthcare delivery management"),
    row("HLEGAL", "HOPERAT", "legal"),
    row("HOUTCOMS", "HOPERAT", "health outcome measure"),
    row("HPRGRP", "HOPERAT", "health program reporting"),
    row("HQUALIMP", "HOPERAT", "health quality improvement"),
    row("HSYSADMIN", "HOPERAT", "health system administration"),
    row("LABELING", "HOPERAT", "labeling"),
    row("METAMGT", "HOPERAT", "metadata management"),
    row("MEMADMIN", "HOPERAT", "member administration"),
    row("MILCDM", "HOPERAT", "military command"),
    row("PATADMIN", "HOPERAT", "patient administration"),
    row("PATSFTY", "HOPERAT", "patient safety"),
    row("PERFMSR", "HOPERAT", "performance measure"),
    row("RECORDMGT", "HOPERAT", "records management"),
    row("SYSDEV", "HOPERAT", "system development"),
    row("HTEST", "SYSDEV", "test health data"),
    row("TRAIN", "HOPERAT", "training"),
    row("HPAYMT", "", "healthcare payment"),
    row("CLMATTCH", "HPAYMT", "claim attachment"),
    row("COVAUTH", "HPAYMT", "coverage authorization"),
    row("COVERAGE", "HPAYMT", "coverage under policy or program"),
    row("ELIGDTRM", "COVERAGE", "eligibility determination"),
    row("ELIGVER", "COVERAGE", "eligibility verification"),
    row("ENROLLM", "COVERAGE", "enrollment"),
    row("MILDCRG", "COVERAGE", "military discharge"),
    row("REMITADV", "HPAYMT", "remittance advice"),
    row("HRESCH", "", "healthcare research"),
    row("BIORCH", "HRESCH", "biomedical research"),
    row("CLINTRCH", "HRESCH", "clinical trial research"),
    row("CLINTRCHNPC", "CLINTRCH", "clinical trial research without patient care"),
    row("CLINTRCHPC", "CLINTRCH", "clinical trial research with patient care"),
    row("PRECLINTRCH", "CLINTRCH", "preclinical trial research"),
    row("DSRCH", "HRESCH", "disease specific healthcare research"),
    row("POARCH", "HRESCH", "population origins or ancestry healthcare research"),
    row("TRANSRCH", "HRESCH", "translational healthcare research"),
    row("PATRQT", "", "patient requested"),
    row("FAMRQT", "PATRQT", "family requested"),
    row("PWATRNY", "PATRQT", "power of attorney"),
    row("SUPNWK", "PATRQT", "support network"),
    row("PUBHLTH", "", "public health"),
    row("DISASTER", "PUBHLTH", "disaster"),
    row("THREAT", "PUBHLTH", "threat"),
    row("TREAT", "", "treatment"),
    row("CLINTRL", "TREAT", "clinical trial"),
    row("COC", "TREAT", "coordination of care"),
    row("ETREAT", "TREAT", "emergency treatment"),
    row("BTG", "ETREAT", "break the glass"),
    row("ERTREAT", "ETREAT", "emergency room treatment"),
    row("POPHLTH", "TREAT", "population health"),
];

fn find(code: &str) -> Option<&'static Purpose> {
    PURPOSES.iter().find(|purpose| purpose.code == code)
}

/// Whether it is a code of a purpose of use.
#[must_use]
pub fn is_purpose(code: &str) -> bool {
    find(code).is_some()
}

/// Whether a purpose is another or a kind of it.
pub(super) fn is_kind_of(code: &str, broad: &str) -> bool {
    let chain = std::iter::successors(find(code), |purpose| find(purpose.parent));
    chain.into_iter().any(|purpose| purpose.code == broad)
}

/// A purpose of a rule or provision, with all kinds of it: made once, so that deciding
/// compares words only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kinds(Vec<Box<str>>);

impl Kinds {
    /// The code and every kind of it; an unknown code stands for itself.
    pub fn of(code: &str) -> Self {
        let mut codes: Vec<Box<str>> = vec![code.into()];
        // Rows come after their parents, so one pass finds kinds of kinds.
        for row in PURPOSES {
            if codes.iter().any(|known| **known == *row.parent) {
                codes.push(row.code.into());
            }
        }
        Self(codes)
    }

    /// Whether a purpose is one of them.
    pub fn has(&self, purpose: &str) -> bool {
        self.0.iter().any(|code| **code == *purpose)
    }

    /// Whether all of another are among them.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|code| self.has(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_stand_before_their_kinds() {
        for (place, row) in PURPOSES.iter().enumerate() {
            let parent = PURPOSES[..place].iter().any(|p| p.code == row.parent);
            assert!(row.parent.is_empty() || parent, "{}", row.code);
            let same = PURPOSES.iter().filter(|p| p.code == row.code).count();
            assert_eq!(same, 1, "{}", row.code);
        }
        assert!(is_purpose("TREAT") && !is_purpose("treat") && !is_purpose(""));
    }

    #[test]
    fn a_purpose_takes_in_its_kinds() {
        let check = |broad: &str, purpose: &str, expected: bool| {
            assert_eq!(Kinds::of(broad).has(purpose), expected, "{broad} {purpose}");
        };
        check("TREAT", "TREAT", true);
        check("TREAT", "ETREAT", true);
        check("TREAT", "BTG", true);
        check("ETREAT", "TREAT", false);
        check("HRESCH", "CLINTRCHPC", true);
        check("HRESCH", "TREAT", false);
        check("LOCAL", "LOCAL", true);
        check("LOCAL", "TREAT", false);
        assert!(is_kind_of("CLINTRCHPC", "HRESCH") && is_kind_of("HRESCH", "HRESCH"));
        assert!(!is_kind_of("TREAT", "HRESCH") && !is_kind_of("LOCAL", "HRESCH"));
        assert!(Kinds::of("TREAT").covers(&Kinds::of("ETREAT")));
        assert!(!Kinds::of("ETREAT").covers(&Kinds::of("TREAT")));
    }
}
