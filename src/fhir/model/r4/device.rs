//! Device, as R4 has it.
//!
//! Written by `cargo run --example generate -- fhir`.

use crate::fhir::model::{Record, Slot};
use crate::fhir::typed::{Any, Coded, DateTime, Extra, Primitive};

use super::codes;
use super::datatypes::*;

record! { domain Device "Device" {
    identifier "identifier": Vec<Identifier>,
    definition "definition": Option<Box<Reference>>,
    udi_carrier "udiCarrier": Vec<DeviceUdiCarrier>,
    status "status": Primitive<Coded<codes::DeviceStatus>>,
    status_reason "statusReason": Vec<CodeableConcept>,
    distinct_identifier "distinctIdentifier": Primitive<String>,
    manufacturer "manufacturer": Primitive<String>,
    manufacture_date "manufactureDate": Primitive<DateTime>,
    expiration_date "expirationDate": Primitive<DateTime>,
    lot_number "lotNumber": Primitive<String>,
    serial_number "serialNumber": Primitive<String>,
    device_name "deviceName": Vec<DeviceDeviceName>,
    model_number "modelNumber": Primitive<String>,
    part_number "partNumber": Primitive<String>,
    type_ "type": Option<Box<CodeableConcept>>,
    specialization "specialization": Vec<DeviceSpecialization>,
    version "version": Vec<DeviceVersion>,
    property "property": Vec<DeviceProperty>,
    patient "patient": Option<Box<Reference>>,
    owner "owner": Option<Box<Reference>>,
    contact "contact": Vec<ContactPoint>,
    location "location": Option<Box<Reference>>,
    url "url": Primitive<String>,
    note "note": Vec<Annotation>,
    safety "safety": Vec<CodeableConcept>,
    parent "parent": Option<Box<Reference>>,
} }

record! { backbone DeviceUdiCarrier {
    device_identifier "deviceIdentifier": Primitive<String>,
    issuer "issuer": Primitive<String>,
    jurisdiction "jurisdiction": Primitive<String>,
    carrier_a_i_d_c "carrierAIDC": Primitive<String>,
    carrier_h_r_f "carrierHRF": Primitive<String>,
    entry_type "entryType": Primitive<Coded<codes::UdiEntryType>>,
} }

record! { backbone DeviceDeviceName {
    name "name": Primitive<String>,
    type_ "type": Primitive<Coded<codes::DeviceNametype>>,
} }

record! { backbone DeviceSpecialization {
    system_type "systemType": Option<Box<CodeableConcept>>,
    version "version": Primitive<String>,
} }

record! { backbone DeviceVersion {
    type_ "type": Option<Box<CodeableConcept>>,
    component "component": Option<Box<Identifier>>,
    value "value": Primitive<String>,
} }

record! { backbone DeviceProperty {
    type_ "type": Option<Box<CodeableConcept>>,
    value_quantity "valueQuantity": Vec<Quantity>,
    value_code "valueCode": Vec<CodeableConcept>,
} }
