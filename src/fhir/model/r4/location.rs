//! Location, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fhir::model::{Record, Slot};
use crate::fhir::typed::{Any, Coded, Decimal, Extra, Primitive, Time};

use super::codes;
use super::datatypes::*;

record! { domain Location "Location" {
    identifier "identifier": Vec<Identifier>,
    status "status": Primitive<Coded<codes::LocationStatus>>,
    operational_status "operationalStatus": Option<Box<Coding>>,
    name "name": Primitive<String>,
    alias "alias": Vec<Primitive<String>>,
    description "description": Primitive<String>,
    mode "mode": Primitive<Coded<codes::LocationMode>>,
    type_ "type": Vec<CodeableConcept>,
    telecom "telecom": Vec<ContactPoint>,
    address "address": Option<Box<Address>>,
    physical_type "physicalType": Option<Box<CodeableConcept>>,
    position "position": Option<Box<LocationPosition>>,
    managing_organization "managingOrganization": Option<Box<Reference>>,
    part_of "partOf": Option<Box<Reference>>,
    hours_of_operation "hoursOfOperation": Vec<LocationHoursOfOperation>,
    availability_exceptions "availabilityExceptions": Primitive<String>,
    endpoint "endpoint": Vec<Reference>,
} }

record! { backbone LocationPosition {
    longitude "longitude": Primitive<Decimal>,
    latitude "latitude": Primitive<Decimal>,
    altitude "altitude": Primitive<Decimal>,
} }

record! { backbone LocationHoursOfOperation {
    days_of_week "daysOfWeek": Vec<Primitive<Coded<codes::DaysOfWeek>>>,
    all_day "allDay": Primitive<bool>,
    opening_time "openingTime": Primitive<Time>,
    closing_time "closingTime": Primitive<Time>,
} }
