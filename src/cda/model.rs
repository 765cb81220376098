//! What a document may hold: the classes of CDA R2 with their members and data types.
//!
//! Here is what a path can be checked and typed by before there is a document. Elements of
//! `sdtc` are known where C-CDA uses them; others are taken as they come.
//!
//! Source: HL7 CDA Release 2, `POCD_MT000040`; HL7 v3 data types R1; C-CDA R2.1 §6 (sdtc).

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use super::path::{Condition, Path, Reach, Step, Test};

/// What every class may have.
const COMMON: &str = "realmCode:CS* typeId:II templateId:II*";

/// Who and what takes part in a statement.
const PARTS: &str = "subject:Subject specimen:Specimen* performer:Performer2* author:Author* \
     informant:Informant12* participant:Participant2* entryRelationship:EntryRelationship* \
     reference:Reference* precondition:Precondition* sdtc:inFulfillmentOf1:* sdtc:category:CD*";

/// The statements of an entry.
const STATEMENTS: &str = "act:Act encounter:Encounter observation:Observation \
     observationMedia:ObservationMedia organizer:Organizer procedure:Procedure \
     regionOfInterest:RegionOfInterest substanceAdministration:SubstanceAdministration \
     supply:Supply";

/// Classes and data types with their members: `name:Type`, `*` any number, `+` one or more,
/// `!` one. A name of a list above stands for all of it.
const CLASSES: &[(&str, &str)] = &[
    (
        "ClinicalDocument",
        "COMMON id:II! code:CE! title:ST effectiveTime:TS! confidentialityCode:CE! languageCode:CS \
         setId:II versionNumber:INT copyTime:TS recordTarget:RecordTarget+ author:Author+ \
         dataEnterer:DataEnterer informant:Informant12* custodian:Custodian! \
         informationRecipient:InformationRecipient* legalAuthenticator:Authenticator \
         authenticator:Authenticator* participant:Participant1* inFulfillmentOf:InFulfillmentOf* \
         documentationOf:DocumentationOf* relatedDocument:RelatedDocument* \
         authorization:Authorization* componentOf:ComponentOf component:Component2! \
         sdtc:statusCode:CS",
    ),
    ("RecordTarget", "COMMON patientRole:PatientRole!"),
    (
        "PatientRole",
        "COMMON id:II+ addr:AD* telecom:TEL* patient:Patient providerOrganization:Organization \
         sdtc:identifiedBy:*",
    ),
    (
        "Patient",
        "COMMON id:II name:PN* administrativeGenderCode:CE birthTime:TS maritalStatusCode:CE \
         religiousAffiliationCode:CE raceCode:CE ethnicGroupCode:CE guardian:Guardian* \
         birthplace:Birthplace languageCommunication:LanguageCommunication* sdtc:desc:ED \
         sdtc:deceasedInd:BL sdtc:deceasedTime:TS sdtc:multipleBirthInd:BL \
         sdtc:multipleBirthOrderNumber:INT sdtc:raceCode:CE* sdtc:ethnicGroupCode:CE*",
    ),
    (
        "Guardian",
        "COMMON id:II* code:CE addr:AD* telecom:TEL* guardianPerson:Person \
         guardianOrganization:Organization",
    ),
    ("Birthplace", "COMMON place:Place!"),
    ("Place", "COMMON name:EN addr:AD"),
    (
        "LanguageCommunication",
        "COMMON languageCode:CS modeCode:CE proficiencyLevelCode:CE preferenceInd:BL",
    ),
    ("Person", "COMMON name:PN* sdtc:desc:ED sdtc:birthTime:TS sdtc:asPatientRelationship:*"),
    (
        "Organization",
        "COMMON id:II* name:ON* telecom:TEL* addr:AD* standardIndustryClassCode:CE \
         asOrganizationPartOf:OrganizationPartOf",
    ),
    (
        "OrganizationPartOf",
        "COMMON id:II* code:CE statusCode:CS effectiveTime:IVL_TS wholeOrganization:Organization",
    ),
    ("Author", "COMMON functionCode:CE time:TS! assignedAuthor:AssignedAuthor!"),
    (
        "AssignedAuthor",
        "COMMON id:II+ code:CE addr:AD* telecom:TEL* assignedPerson:Person \
         assignedAuthoringDevice:AuthoringDevice representedOrganization:Organization",
    ),
    (
        "AuthoringDevice",
        "COMMON code:CE manufacturerModelName:SC softwareName:SC asMaintainedEntity:MaintainedEntity*",
    ),
    ("MaintainedEntity", "COMMON effectiveTime:IVL_TS maintainingPerson:Person!"),
    ("DataEnterer", "COMMON time:TS assignedEntity:AssignedEntity!"),
    (
        "AssignedEntity",
        "COMMON id:II+ code:CE addr:AD* telecom:TEL* assignedPerson:Person \
         representedOrganization:Organization* sdtc:specialty:CE*",
    ),
    ("Informant12", "COMMON assignedEntity:AssignedEntity relatedEntity:RelatedEntity"),
    (
        "RelatedEntity",
        "COMMON id:II* code:CE addr:AD* telecom:TEL* effectiveTime:IVL_TS relatedPerson:Person",
    ),
    ("Custodian", "COMMON assignedCustodian:AssignedCustodian!"),
    ("AssignedCustodian", "COMMON representedCustodianOrganization:CustodianOrganization!"),
    ("CustodianOrganization", "COMMON id:II+ name:ON telecom:TEL* addr:AD*"),
    ("InformationRecipient", "COMMON intendedRecipient:IntendedRecipient!"),
    (
        "IntendedRecipient",
        "COMMON id:II* addr:AD* telecom:TEL* informationRecipient:Person \
         receivedOrganization:Organization",
    ),
    (
        "Authenticator",
        "COMMON time:TS! signatureCode:CS! assignedEntity:AssignedEntity! sdtc:signatureText:ED",
    ),
    ("Participant1", "COMMON functionCode:CE time:IVL_TS associatedEntity:AssociatedEntity!"),
    (
        "AssociatedEntity",
        "COMMON id:II* code:CE addr:AD* telecom:TEL* associatedPerson:Person \
         scopingOrganization:Organization",
    ),
    ("InFulfillmentOf", "COMMON order:Order!"),
    ("Order", "COMMON id:II+ code:CE priorityCode:CE"),
    ("DocumentationOf", "COMMON serviceEvent:ServiceEvent!"),
    ("ServiceEvent", "COMMON id:II* code:CE effectiveTime:IVL_TS performer:Performer1*"),
    ("Performer1", "COMMON functionCode:CE time:IVL_TS assignedEntity:AssignedEntity!"),
    ("RelatedDocument", "COMMON parentDocument:ParentDocument!"),
    ("ParentDocument", "COMMON id:II+ code:CD text:ED setId:II versionNumber:INT"),
    ("Authorization", "COMMON consent:Consent!"),
    ("Consent", "COMMON id:II* code:CE statusCode:CS!"),
    ("ComponentOf", "COMMON encompassingEncounter:EncompassingEncounter!"),
    (
        "EncompassingEncounter",
        "COMMON id:II* code:CE effectiveTime:IVL_TS! dischargeDispositionCode:CE \
         responsibleParty:ResponsibleParty encounterParticipant:EncounterParticipant* \
         location:Location sdtc:admissionReferralSourceCode:CE",
    ),
    ("ResponsibleParty", "COMMON assignedEntity:AssignedEntity!"),
    ("EncounterParticipant", "COMMON time:IVL_TS assignedEntity:AssignedEntity!"),
    ("Location", "COMMON healthCareFacility:HealthCareFacility!"),
    (
        "HealthCareFacility",
        "COMMON id:II* code:CE location:Place serviceProviderOrganization:Organization",
    ),
    ("Component2", "COMMON nonXMLBody:NonXMLBody structuredBody:StructuredBody"),
    ("NonXMLBody", "COMMON text:ED! confidentialityCode:CE languageCode:CS"),
    ("StructuredBody", "COMMON confidentialityCode:CE languageCode:CS component:Component3+"),
    ("Component3", "COMMON section:Section!"),
    (
        "Section",
        "COMMON id:II code:CE title:ST text:SD confidentialityCode:CE languageCode:CS \
         subject:Subject author:Author* informant:Informant12* entry:Entry* component:Component3*",
    ),
    ("Subject", "COMMON awarenessCode:CE relatedSubject:RelatedSubject!"),
    ("RelatedSubject", "COMMON code:CE addr:AD* telecom:TEL* subject:SubjectPerson"),
    (
        "SubjectPerson",
        "COMMON name:PN* administrativeGenderCode:CE birthTime:TS sdtc:id:II* sdtc:deceasedInd:BL \
         sdtc:deceasedTime:TS sdtc:raceCode:CE* sdtc:ethnicGroupCode:CE*",
    ),
    ("Entry", "COMMON STATEMENTS"),
    ("EntryRelationship", "COMMON sequenceNumber:INT seperatableInd:BL STATEMENTS"),
    ("Component4", "COMMON sequenceNumber:INT seperatableInd:BL STATEMENTS"),
    (
        "Act",
        "COMMON PARTS id:II* code:CD! text:ED statusCode:CS effectiveTime:IVL_TS priorityCode:CE \
         languageCode:CS",
    ),
    (
        "Encounter",
        "COMMON PARTS id:II* code:CD text:ED statusCode:CS effectiveTime:IVL_TS priorityCode:CE \
         sdtc:dischargeDispositionCode:CE",
    ),
    (
        "Observation",
        "COMMON PARTS id:II* code:CD! derivationExpr:ST text:ED statusCode:CS effectiveTime:IVL_TS \
         priorityCode:CE repeatNumber:IVL_INT languageCode:CS value:ANY* interpretationCode:CE* \
         methodCode:CE* targetSiteCode:CD* referenceRange:ReferenceRange*",
    ),
    ("ReferenceRange", "COMMON observationRange:ObservationRange!"),
    ("ObservationRange", "COMMON code:CD text:ED value:ANY interpretationCode:CE"),
    ("ObservationMedia", "COMMON PARTS id:II* languageCode:CS value:ED!"),
    (
        "Organizer",
        "COMMON PARTS id:II* code:CD statusCode:CS! effectiveTime:IVL_TS component:Component4* \
         sdtc:text:ED",
    ),
    (
        "Procedure",
        "COMMON PARTS id:II* code:CD! text:ED statusCode:CS effectiveTime:IVL_TS priorityCode:CE \
         languageCode:CS methodCode:CE* approachSiteCode:CD* targetSiteCode:CD*",
    ),
    ("RegionOfInterest", "COMMON PARTS id:II+ code:CS! value:REAL+"),
    (
        "SubstanceAdministration",
        "COMMON PARTS id:II* code:CD text:ED statusCode:CS effectiveTime:SXCM_TS* priorityCode:CE \
         repeatNumber:IVL_INT routeCode:CE approachSiteCode:CD* doseQuantity:IVL_PQ \
         rateQuantity:IVL_PQ maxDoseQuantity:RTO administrationUnitCode:CE consumable:Consumable!",
    ),
    (
        "Supply",
        "COMMON PARTS id:II* code:CD text:ED statusCode:CS effectiveTime:SXCM_TS* priorityCode:CE* \
         repeatNumber:IVL_INT independentInd:BL quantity:PQ expectedUseTime:IVL_TS \
         product:Consumable",
    ),
    ("Consumable", "COMMON manufacturedProduct:ManufacturedProduct!"),
    (
        "ManufacturedProduct",
        "COMMON id:II* manufacturedLabeledDrug:LabeledDrug manufacturedMaterial:Material \
         manufacturerOrganization:Organization",
    ),
    ("LabeledDrug", "COMMON code:CE name:EN"),
    ("Material", "COMMON code:CE name:EN lotNumberText:ST"),
    (
        "Performer2",
        "COMMON time:IVL_TS modeCode:CE assignedEntity:AssignedEntity! sdtc:functionCode:CE",
    ),
    (
        "Participant2",
        "COMMON time:IVL_TS awarenessCode:CE participantRole:ParticipantRole! sdtc:functionCode:CE",
    ),
    (
        "ParticipantRole",
        "COMMON id:II* code:CE addr:AD* telecom:TEL* playingDevice:Device \
         playingEntity:PlayingEntity scopingEntity:Entity",
    ),
    ("Device", "COMMON code:CE manufacturerModelName:SC softwareName:SC"),
    ("PlayingEntity", "COMMON code:CE quantity:PQ* name:PN* desc:ED sdtc:birthTime:TS"),
    ("Entity", "COMMON id:II* code:CE desc:ED"),
    ("Specimen", "COMMON specimenRole:SpecimenRole!"),
    ("SpecimenRole", "COMMON id:II* specimenPlayingEntity:PlayingEntity"),
    (
        "Reference",
        "COMMON seperatableInd:BL externalAct:External externalObservation:External \
         externalProcedure:External externalDocument:External",
    ),
    ("External", "COMMON id:II* code:CD text:ED setId:II versionNumber:INT"),
    ("Precondition", "COMMON criterion:Criterion!"),
    ("Criterion", "COMMON code:CD text:ED value:ANY"),
    ("CD", "originalText:ED qualifier:CR* translation:CD*"),
    ("CR", "name:CD value:CD"),
    ("ED", "reference:TEL thumbnail:ED"),
    (
        "IVL_TS",
        "low:TS high:TS center:TS width:PQ period:PQ phase:IVL_TS event:CS offset:IVL_PQ comp:IVL_TS*",
    ),
    ("IVL_PQ", "low:PQ high:PQ center:PQ width:PQ translation:CD*"),
    ("PQ", "translation:CD*"),
    ("RTO", "numerator:PQ denominator:PQ"),
    ("EN", "prefix:ST* given:ST* family:ST* suffix:ST* delimiter:ST* validTime:IVL_TS"),
    (
        "AD",
        "streetAddressLine:ST* streetName:ST* streetNameBase:ST* streetNameType:ST* houseNumber:ST* \
         houseNumberNumeric:ST* direction:ST* additionalLocator:ST* unitID:ST* unitType:ST* \
         postBox:ST* careOf:ST* censusTract:ST* precinct:ST* city:ST* county:ST* state:ST* \
         postalCode:ST* country:ST* delimiter:ST* deliveryAddressLine:ST* useablePeriod:SXCM_TS*",
    ),
    ("TEL", "useablePeriod:SXCM_TS*"),
    (
        "ANY",
        "originalText:ED qualifier:CR* translation:CD* reference:TEL low:ANY high:ANY center:ANY \
         width:PQ numerator:PQ denominator:PQ period:PQ",
    ),
];

/// Attributes of the data types and classes; those of a namespace are taken as they come.
const ATTRIBUTES: &str = "root extension assigningAuthorityName displayable code codeSystem \
     codeSystemName codeSystemVersion displayName value unit nullFlavor use mediaType \
     representation compression language integrityCheck integrityCheckAlgorithm inclusive \
     operator alignment institutionSpecified classCode moodCode typeCode negationInd inversionInd \
     contextControlCode contextConductionInd determinerCode independentInd qualifier partType ID \
     styleCode referencedObject isNotOrdered probability currency inverted";

/// The class or data type of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(&'static str);

impl Kind {
    /// The document.
    pub const DOCUMENT: Self = Self("ClinicalDocument");
    /// Nothing is known of it.
    pub const UNKNOWN: Self = Self("");

    /// The data type as mappings know it, such as `cda:CD` for every kind of code; `text` of
    /// attributes; none of classes.
    #[must_use]
    pub fn datatype(self) -> Option<&'static str> {
        Some(match self.0 {
            "text" => "text",
            "II" => "cda:II",
            "CD" | "CE" | "CV" | "CO" | "EIVL.event" => "cda:CD",
            "CS" => "cda:CS",
            "ST" | "SC" => "cda:ST",
            "ED" => "cda:ED",
            "SD" => "cda:SD",
            "EN" | "PN" | "ON" | "TN" => "cda:EN",
            "AD" => "cda:AD",
            "TEL" | "URL" => "cda:TEL",
            "TS" => "cda:TS",
            "IVL_TS" | "SXCM_TS" | "PIVL_TS" | "EIVL_TS" => "cda:IVL_TS",
            "PQ" | "MO" => "cda:PQ",
            "IVL_PQ" | "IVL_INT" | "IVL_REAL" => "cda:IVL_PQ",
            "RTO" | "RTO_PQ_PQ" | "RTO_QTY_QTY" => "cda:RTO",
            "INT" => "cda:INT",
            "REAL" => "cda:REAL",
            "BL" | "BN" => "cda:BL",
            "ANY" | "" => "cda:ANY",
            _ => return None,
        })
    }

    /// The type that a value says it has: `xsi:type="PQ"`.
    #[must_use]
    pub fn named(name: &str) -> Self {
        const TYPES: &str = "II CD CE CV CO CS ST SC ED EN PN ON TN AD TEL URL TS IVL_TS SXCM_TS \
             PIVL_TS EIVL_TS PQ MO IVL_PQ IVL_INT IVL_REAL RTO RTO_PQ_PQ RTO_QTY_QTY INT REAL BL BN";
        let local = name.rsplit(':').next().unwrap_or(name).trim();
        Self(TYPES.split_ascii_whitespace().find(|known| *known == local).unwrap_or("ANY"))
    }

    /// Its name, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        if self.0.is_empty() { "what stands there" } else { self.0 }
    }

    /// Where its members stand.
    fn members(self) -> Option<&'static [Member]> {
        let base = match self.0 {
            "CE" | "CV" | "CO" | "CS" => "CD",
            "ST" | "SC" => "ED",
            "PN" | "ON" | "TN" => "EN",
            "SXCM_TS" | "PIVL_TS" | "EIVL_TS" => "IVL_TS",
            "IVL_INT" | "IVL_REAL" => "IVL_PQ",
            other => other,
        };
        MODEL.get(base).map(Vec::as_slice)
    }
}

#[derive(Clone, Copy, Debug)]
struct Member {
    /// With `sdtc:` where it is of that namespace.
    name: &'static str,
    kind: Kind,
    repeats: bool,
    required: bool,
}

static MODEL: LazyLock<HashMap<&'static str, Vec<Member>>> =
    LazyLock::new(|| CLASSES.iter().map(|(name, text)| (*name, members(text))).collect());

fn members(text: &'static str) -> Vec<Member> {
    let mut all = Vec::new();
    for word in text.split_ascii_whitespace() {
        match word {
            "COMMON" => all.extend(members(COMMON)),
            "PARTS" => all.extend(members(PARTS)),
            "STATEMENTS" => all.extend(members(STATEMENTS)),
            _ => {
                let (name, kind) = word.rsplit_once(':').unwrap_or((word, ""));
                let mark = kind.chars().last().filter(|c| "*+!".contains(*c));
                let kind = kind.trim_end_matches(['*', '+', '!']);
                let repeats = matches!(mark, Some('*' | '+'));
                let required = matches!(mark, Some('!' | '+'));
                all.push(Member { name, kind: Kind(kind), repeats, required });
            }
        }
    }
    all
}

/// Where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    /// What it finds.
    pub kind: Kind,
    /// Whether it may find several.
    pub repeats: bool,
    /// Whether its last step alone may find several.
    pub ends_in_list: bool,
    /// Whether the standard demands every step of it.
    pub required: bool,
    /// Whether it finds attributes or text and no elements.
    pub is_text: bool,
}

/// A step that leads nowhere.
#[derive(Clone, Debug)]
pub struct Unknown {
    /// Its name.
    pub name: String,
    /// The class or data type that has no such member; empty where no class has.
    pub of: &'static str,
    /// Names there are.
    pub known: Vec<&'static str>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            "" => write!(f, "nothing in a document is called `{}`", self.name),
            of => write!(f, "{of} has no `{}`", self.name),
        }
    }
}

impl Path {
    /// Where it leads from a place of a kind, by the standard.
    ///
    /// # Errors
    /// The first step that leads nowhere, those within brackets too.
    pub fn walk(&self, from: Kind) -> Result<Walk, Unknown> {
        let kind = if self.absolute { Kind::DOCUMENT } else { from };
        let mut walk = Walk {
            kind,
            repeats: false,
            ends_in_list: false,
            required: !self.absolute,
            is_text: false,
        };
        for step in &self.steps {
            step.walk(&mut walk)?;
        }
        Ok(walk)
    }

    /// Whether it begins at the document.
    #[must_use]
    pub const fn is_absolute(&self) -> bool {
        self.absolute
    }

    /// The word it begins with, where that is a name alone.
    #[must_use]
    pub fn first_name(&self) -> Option<&str> {
        match &self.steps.first()?.test {
            Test::Child { name, sdtc: false } if !self.absolute => name.as_deref(),
            _ => None,
        }
    }
}

impl Step {
    fn is_below(&self) -> bool {
        self.reach != Reach::Child
    }

    fn walk(&self, walk: &mut Walk) -> Result<(), Unknown> {
        match &self.test {
            Test::Own => walk.repeats |= self.is_below(),
            Test::Text => (walk.kind, walk.is_text) = (Kind("text"), true),
            Test::Attribute(name) => {
                let known = || ATTRIBUTES.split_ascii_whitespace();
                // What marks up a narrative has attributes of HTML.
                let free = name.contains(':') || walk.kind.0 == "SD" || walk.kind.0.is_empty();
                if !free && !known().any(|known| known == name) {
                    let known = known().collect();
                    return Err(Unknown { name: format!("@{name}"), of: walk.kind.0, known });
                }
                walk.required = false;
                walk.repeats |= self.is_below();
                (walk.kind, walk.is_text) = (Kind("text"), true);
            }
            Test::Child { name: None, .. } => {
                (walk.kind, walk.required, walk.ends_in_list) = (Kind::UNKNOWN, false, true);
            }
            Test::Child { name: Some(name), sdtc } => self.child(name, *sdtc, walk)?,
        }
        for condition in &self.conditions {
            condition.walk(walk.kind)?;
        }
        if matches!(self.test, Test::Child { .. }) {
            let one = self.conditions.iter().any(|one| matches!(one, Condition::Number(_)));
            walk.ends_in_list = (walk.ends_in_list && !one) || self.is_below();
            walk.repeats |= walk.ends_in_list;
            walk.required &= self.conditions.is_empty();
        }
        Ok(())
    }

    fn child(&self, name: &str, sdtc: bool, walk: &mut Walk) -> Result<(), Unknown> {
        let full = if sdtc { format!("sdtc:{name}") } else { name.to_owned() };
        let unknown = |known: Vec<&'static str>, of| Unknown { name: full.clone(), of, known };
        let inside = walk.kind.members().filter(|_| !self.is_below());
        if let Some(inside) = inside {
            match inside.iter().find(|member| member.name == full) {
                Some(member) => {
                    (walk.kind, walk.ends_in_list) = (member.kind, member.repeats);
                    walk.required &= member.required;
                }
                None if sdtc => {
                    (walk.kind, walk.ends_in_list, walk.required) = (Kind::UNKNOWN, true, false);
                }
                None => {
                    return Err(unknown(inside.iter().map(|m| m.name).collect(), walk.kind.0));
                }
            }
            return Ok(());
        }
        walk.required = false;
        walk.ends_in_list = false;
        // What a narrative or a value without members has in it is not ours to know.
        if matches!(walk.kind.0, "SD" | "TS" | "INT" | "REAL" | "BL" | "II") && !self.is_below() {
            walk.kind = Kind::UNKNOWN;
            return Ok(());
        }
        let mut kinds =
            MODEL.values().flatten().filter(|member| member.name == full).map(|member| member.kind);
        walk.kind = match kinds.next() {
            None if sdtc => Kind::UNKNOWN,
            // Narratives have elements of their own.
            None if self.is_below() => {
                let all: Vec<_> = MODEL.values().flatten().map(|member| member.name).collect();
                return Err(unknown(all, ""));
            }
            None => Kind::UNKNOWN,
            Some(first) => {
                // One type for every kind of code.
                let family = |kind: Kind| match kind.datatype() {
                    Some("cda:CS") => Some("cda:CD"),
                    other => other,
                };
                let is_type = family(first).is_some();
                let is_same = |kind: Kind| match is_type {
                    true => family(kind) == family(first),
                    false => kind == first,
                };
                match kinds.all(is_same) {
                    true if family(first) == Some("cda:CD") => Kind("CD"),
                    true => first,
                    false => Kind::UNKNOWN,
                }
            }
        };
        Ok(())
    }
}

impl Condition {
    fn walk(&self, kind: Kind) -> Result<(), Unknown> {
        match self {
            Self::Number(_) => Ok(()),
            Self::Has(path) | Self::Is(path, _) => path.walk(kind).map(|_| ()),
            Self::Not(inner) => inner.walk(kind),
            Self::All(list) | Self::Any(list) => list.iter().try_for_each(|one| one.walk(kind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_a_member_is_known() {
        for (class, members) in MODEL.iter() {
            for member in members {
                let kind = member.kind;
                let known = kind.0.is_empty()
                    || MODEL.contains_key(kind.0)
                    || kind.datatype().is_some_and(|ty| ty != "cda:ANY")
                    || kind.0 == "CR";
                assert!(known, "{class}.{} is {}", member.name, kind.0);
            }
        }
    }

    #[test]
    fn paths_have_types() {
        let check = |path: &str, kind: &str, repeats: bool, required: bool| {
            let walk = Path::parse(path).unwrap().walk(Kind::DOCUMENT).unwrap();
            let shown = walk.kind.datatype().unwrap_or(walk.kind.0);
            assert_eq!((shown, walk.repeats, walk.required), (kind, repeats, required), "{path}");
        };
        check("code", "cda:CD", false, true);
        check("recordTarget[1]/patientRole/patient/birthTime", "cda:TS", false, false);
        check("recordTarget/patientRole/id", "cda:II", true, true);
        check("recordTarget/patientRole/id/@extension", "text", true, false);
        check("section(48765-2)/entry/act", "Act", true, false);
        check("//observation/value", "cda:ANY", true, false);
        check("//patient/sdtc:raceCode", "cda:CD", true, false);
        check("//entry/*/code", "cda:CD", true, false);
        check("component/structuredBody/component[2]/section/text", "cda:SD", false, false);
        check(
            "component/structuredBody/component[2]/section/text/list/item",
            "cda:ANY",
            false,
            false,
        );
        check(".", "ClinicalDocument", false, true);
    }

    #[test]
    fn names_that_are_nowhere_are_told() {
        let check = |path: &str, name: &str, of: &str| {
            let wrong = Path::parse(path).unwrap().walk(Kind::DOCUMENT).unwrap_err();
            assert_eq!((wrong.name.as_str(), wrong.of), (name, of), "{path}");
        };
        check("recordTarget/patientrole", "patientrole", "RecordTarget");
        check("recordTarget[x]/patientRole", "x", "RecordTarget");
        check("//observatoin", "observatoin", "");
        check("code/@vaule", "@vaule", "CE");
        check("id[not(@rot = '1')]", "@rot", "II");
    }
}
