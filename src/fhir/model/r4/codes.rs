//! Codes of the value sets of required bindings.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fhir::model::Code;

codes! { FhirVersion {
    V0_01 "0.01",
    V0_05 "0.05",
    V0_06 "0.06",
    V0_11 "0.11",
    V0_0_80 "0.0.80",
    V0_0_81 "0.0.81",
    V0_0_82 "0.0.82",
    V0_4_0 "0.4.0",
    V0_5_0 "0.5.0",
    V1_0_0 "1.0.0",
    V1_0_1 "1.0.1",
    V1_0_2 "1.0.2",
    V1_1_0 "1.1.0",
    V1_4_0 "1.4.0",
    V1_6_0 "1.6.0",
    V1_8_0 "1.8.0",
    V3_0_0 "3.0.0",
    V3_0_1 "3.0.1",
    V3_3_0 "3.3.0",
    V3_5_0 "3.5.0",
    V4_0_0 "4.0.0",
    V4_0_1 "4.0.1",
} }

codes! { AddressType {
    Postal "postal",
    Physical "physical",
    Both "both",
} }

codes! { AddressUse {
    Home "home",
    Work "work",
    Temp "temp",
    Old "old",
    Billing "billing",
} }

codes! { AdministrativeGender {
    Male "male",
    Female "female",
    Other "other",
    Unknown "unknown",
} }

codes! { AllergyIntoleranceCategory {
    Food "food",
    Medication "medication",
    Environment "environment",
    Biologic "biologic",
} }

codes! { AllergyIntoleranceCriticality {
    Low "low",
    High "high",
    UnableToAssess "unable-to-assess",
} }

codes! { AllergyIntoleranceType {
    Allergy "allergy",
    Intolerance "intolerance",
} }

codes! { Appointmentstatus {
    Proposed "proposed",
    Pending "pending",
    Booked "booked",
    Arrived "arrived",
    Fulfilled "fulfilled",
    Cancelled "cancelled",
    Noshow "noshow",
    EnteredInError "entered-in-error",
    CheckedIn "checked-in",
    Waitlist "waitlist",
} }

codes! { AuditEventAction {
    Create "C",
    ReadViewPrint "R",
    Update "U",
    Delete "D",
    Execute "E",
} }

codes! { AuditEventOutcome {
    Success "0",
    MinorFailure "4",
    SeriousFailure "8",
    MajorFailure "12",
} }

codes! { BundleType {
    Document "document",
    Message "message",
    Transaction "transaction",
    TransactionResponse "transaction-response",
    Batch "batch",
    BatchResponse "batch-response",
    History "history",
    Searchset "searchset",
    Collection "collection",
} }

codes! { CapabilityStatementKind {
    Instance "instance",
    Capability "capability",
    Requirements "requirements",
} }

codes! { CompositionStatus {
    Preliminary "preliminary",
    Final "final",
    Amended "amended",
    EnteredInError "entered-in-error",
} }

codes! { ConditionalDeleteStatus {
    NotSupported "not-supported",
    Single "single",
    Multiple "multiple",
} }

codes! { ConditionalReadStatus {
    NotSupported "not-supported",
    ModifiedSince "modified-since",
    NotMatch "not-match",
    FullSupport "full-support",
} }

codes! { ConsentDataMeaning {
    Instance "instance",
    Related "related",
    Dependents "dependents",
    Authoredby "authoredby",
} }

codes! { ConsentProvisionType {
    Deny "deny",
    Permit "permit",
} }

codes! { ConsentStateCodes {
    Draft "draft",
    Proposed "proposed",
    Active "active",
    Rejected "rejected",
    Inactive "inactive",
    EnteredInError "entered-in-error",
} }

codes! { ContactPointSystem {
    Phone "phone",
    Fax "fax",
    Email "email",
    Pager "pager",
    Url "url",
    Sms "sms",
    Other "other",
} }

codes! { ContactPointUse {
    Home "home",
    Work "work",
    Temp "temp",
    Old "old",
    Mobile "mobile",
} }

codes! { DaysOfWeek {
    Mon "mon",
    Tue "tue",
    Wed "wed",
    Thu "thu",
    Fri "fri",
    Sat "sat",
    Sun "sun",
} }

codes! { DeviceNametype {
    UdiLabelName "udi-label-name",
    UserFriendlyName "user-friendly-name",
    PatientReportedName "patient-reported-name",
    ManufacturerName "manufacturer-name",
    ModelName "model-name",
    Other "other",
} }

codes! { DeviceStatus {
    Active "active",
    Inactive "inactive",
    EnteredInError "entered-in-error",
    Unknown "unknown",
} }

codes! { DiagnosticReportStatus {
    Registered "registered",
    Partial "partial",
    Preliminary "preliminary",
    Final "final",
    Amended "amended",
    Corrected "corrected",
    Appended "appended",
    Cancelled "cancelled",
    EnteredInError "entered-in-error",
    Unknown "unknown",
} }

codes! { DocumentMode {
    Producer "producer",
    Consumer "consumer",
} }

codes! { DocumentReferenceStatus {
    Current "current",
    Superseded "superseded",
    EnteredInError "entered-in-error",
} }

codes! { DocumentRelationshipType {
    Replaces "replaces",
    Transforms "transforms",
    Signs "signs",
    Appends "appends",
} }

codes! { EncounterLocationStatus {
    Planned "planned",
    Active "active",
    Reserved "reserved",
    Completed "completed",
} }

codes! { EncounterStatus {
    Planned "planned",
    Arrived "arrived",
    Triaged "triaged",
    InProgress "in-progress",
    Onleave "onleave",
    Finished "finished",
    Cancelled "cancelled",
    EnteredInError "entered-in-error",
    Unknown "unknown",
} }

codes! { EventCapabilityMode {
    Sender "sender",
    Receiver "receiver",
} }

codes! { EventStatus {
    Preparation "preparation",
    InProgress "in-progress",
    NotDone "not-done",
    OnHold "on-hold",
    Stopped "stopped",
    Completed "completed",
    EnteredInError "entered-in-error",
    Unknown "unknown",
} }

codes! { EventTiming {
    Morn "MORN",
    MornEarly "MORN.early",
    MornLate "MORN.late",
    Noon "NOON",
    Aft "AFT",
    AftEarly "AFT.early",
    AftLate "AFT.late",
    Eve "EVE",
    EveEarly "EVE.early",
    EveLate "EVE.late",
    Night "NIGHT",
    Phs "PHS",
    Hs "HS",
    Wake "WAKE",
    C "C",
    Cm "CM",
    Cd "CD",
    Cv "CV",
    Ac "AC",
    Acm "ACM",
    Acd "ACD",
    Acv "ACV",
    Pc "PC",
    Pcm "PCM",
    Pcd "PCD",
    Pcv "PCV",
} }

codes! { FmStatus {
    Active "active",
    Cancelled "cancelled",
    Draft "draft",
    EnteredInError "entered-in-error",
} }

codes! { HttpVerb {
    Get "GET",
    Head "HEAD",
    Post "POST",
    Put "PUT",
    Delete "DELETE",
    Patch "PATCH",
} }

codes! { IdentifierUse {
    Usual "usual",
    Official "official",
    Temp "temp",
    Secondary "secondary",
    Old "old",
} }

codes! { ImmunizationStatus {
    Completed "completed",
    EnteredInError "entered-in-error",
    NotDone "not-done",
} }

codes! { IssueSeverity {
    Fatal "fatal",
    Error "error",
    Warning "warning",
    Information "information",
} }

codes! { IssueType {
    Invalid "invalid",
    Structure "structure",
    Required "required",
    Value "value",
    Invariant "invariant",
    Security "security",
    Login "login",
    Unknown "unknown",
    Expired "expired",
    Forbidden "forbidden",
    Suppressed "suppressed",
    Processing "processing",
    NotSupported "not-supported",
    Duplicate "duplicate",
    MultipleMatches "multiple-matches",
    NotFound "not-found",
    Deleted "deleted",
    TooLong "too-long",
    CodeInvalid "code-invalid",
    Extension "extension",
    TooCostly "too-costly",
    BusinessRule "business-rule",
    Conflict "conflict",
    Transient "transient",
    LockError "lock-error",
    NoStore "no-store",
    Exception "exception",
    Timeout "timeout",
    Incomplete "incomplete",
    Throttled "throttled",
    Informational "informational",
} }

codes! { LinkType {
    ReplacedBy "replaced-by",
    Replaces "replaces",
    Refer "refer",
    Seealso "seealso",
} }

codes! { LocationMode {
    Instance "instance",
    Kind "kind",
} }

codes! { LocationStatus {
    Active "active",
    Suspended "suspended",
    Inactive "inactive",
} }

codes! { MedicationStatus {
    Active "active",
    Inactive "inactive",
    EnteredInError "entered-in-error",
} }

codes! { MedicationrequestIntent {
    Proposal "proposal",
    Plan "plan",
    Order "order",
    OriginalOrder "original-order",
    ReflexOrder "reflex-order",
    FillerOrder "filler-order",
    InstanceOrder "instance-order",
    Option "option",
} }

codes! { MedicationrequestStatus {
    Active "active",
    OnHold "on-hold",
    Cancelled "cancelled",
    Completed "completed",
    EnteredInError "entered-in-error",
    Stopped "stopped",
    Draft "draft",
    Unknown "unknown",
} }

codes! { NameUse {
    Usual "usual",
    Official "official",
    Temp "temp",
    Nickname "nickname",
    Anonymous "anonymous",
    Old "old",
    Maiden "maiden",
} }

codes! { NarrativeStatus {
    Generated "generated",
    Extensions "extensions",
    Additional "additional",
    Empty "empty",
} }

codes! { NetworkType {
    MachineName "1",
    IpAddress "2",
    TelephoneNumber "3",
    EmailAddress "4",
    Uri "5",
} }

codes! { ObservationStatus {
    Registered "registered",
    Preliminary "preliminary",
    Final "final",
    Amended "amended",
    Corrected "corrected",
    Cancelled "cancelled",
    EnteredInError "entered-in-error",
    Unknown "unknown",
} }

codes! { Participantrequired {
    Required "required",
    Optional "optional",
    InformationOnly "information-only",
} }

codes! { Participationstatus {
    Accepted "accepted",
    Declined "declined",
    Tentative "tentative",
    NeedsAction "needs-action",
} }

codes! { ProvenanceEntityRole {
    Derivation "derivation",
    Revision "revision",
    Quotation "quotation",
    Source "source",
    Removal "removal",
} }

codes! { PublicationStatus {
    Draft "draft",
    Active "active",
    Retired "retired",
    Unknown "unknown",
} }

codes! { QuantityComparator {
    LessThan "<",
    LessOrEqualTo "<=",
    GreaterOrEqualTo ">=",
    GreaterThan ">",
} }

codes! { ReactionEventSeverity {
    Mild "mild",
    Moderate "moderate",
    Severe "severe",
} }

codes! { ReferenceHandlingPolicy {
    Literal "literal",
    Logical "logical",
    Resolves "resolves",
    Enforced "enforced",
    Local "local",
} }

codes! { RequestIntent {
    Proposal "proposal",
    Plan "plan",
    Directive "directive",
    Order "order",
    OriginalOrder "original-order",
    ReflexOrder "reflex-order",
    FillerOrder "filler-order",
    InstanceOrder "instance-order",
    Option "option",
} }

codes! { RequestPriority {
    Routine "routine",
    Urgent "urgent",
    Asap "asap",
    Stat "stat",
} }

codes! { RequestStatus {
    Draft "draft",
    Active "active",
    OnHold "on-hold",
    Revoked "revoked",
    Completed "completed",
    EnteredInError "entered-in-error",
    Unknown "unknown",
} }

codes! { ResponseCode {
    Ok "ok",
    TransientError "transient-error",
    FatalError "fatal-error",
} }

codes! { RestfulCapabilityMode {
    Client "client",
    Server "server",
} }

codes! { SearchEntryMode {
    Match "match",
    Include "include",
    Outcome "outcome",
} }

codes! { SearchParamType {
    Number "number",
    Date "date",
    String "string",
    Token "token",
    Reference "reference",
    Composite "composite",
    Quantity "quantity",
    Uri "uri",
    Special "special",
} }

codes! { SpecimenStatus {
    Available "available",
    Unavailable "unavailable",
    Unsatisfactory "unsatisfactory",
    EnteredInError "entered-in-error",
} }

codes! { SubscriptionChannelType {
    RestHook "rest-hook",
    Websocket "websocket",
    Email "email",
    Sms "sms",
    Message "message",
} }

codes! { SubscriptionStatus {
    Requested "requested",
    Active "active",
    Error "error",
    Off "off",
} }

codes! { SystemRestfulInteraction {
    Transaction "transaction",
    Batch "batch",
    SearchSystem "search-system",
    HistorySystem "history-system",
} }

codes! { TaskIntent {
    Unknown "unknown",
    Proposal "proposal",
    Plan "plan",
    Order "order",
    OriginalOrder "original-order",
    ReflexOrder "reflex-order",
    FillerOrder "filler-order",
    InstanceOrder "instance-order",
    Option "option",
} }

codes! { TaskStatus {
    Draft "draft",
    Requested "requested",
    Received "received",
    Accepted "accepted",
    Rejected "rejected",
    Ready "ready",
    Cancelled "cancelled",
    InProgress "in-progress",
    OnHold "on-hold",
    Failed "failed",
    Completed "completed",
    EnteredInError "entered-in-error",
} }

codes! { TypeRestfulInteraction {
    Read "read",
    Vread "vread",
    Update "update",
    Patch "patch",
    Delete "delete",
    HistoryInstance "history-instance",
    HistoryType "history-type",
    Create "create",
    SearchType "search-type",
} }

codes! { UdiEntryType {
    Barcode "barcode",
    Rfid "rfid",
    Manual "manual",
    Card "card",
    SelfReported "self-reported",
    Unknown "unknown",
} }

codes! { UnitsOfTime {
    Second "s",
    Min "min",
    Hour "h",
    Day "d",
    Wk "wk",
    Mo "mo",
    Year "a",
} }

codes! { VersioningPolicy {
    NoVersion "no-version",
    Versioned "versioned",
    VersionedUpdate "versioned-update",
} }
