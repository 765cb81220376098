//! Messages laid into their structures, in order and out of order.

use super::*;
use bytes::Bytes;

fn message(kind: &str, segments: &str) -> Message {
    let mut text = format!("MSH|^~\\&|||||||{kind}|1|P|2.5.1");
    for id in segments.split_whitespace() {
        text.push_str(&format!("\r{id}|1"));
    }
    Message::parse(Bytes::from(text)).unwrap()
}

fn draw(node: NodeRef<'_>) -> String {
    let inside: Vec<String> = node.children().map(draw).collect();
    match (node.is_group(), node.name()) {
        (false, name) => name.to_owned(),
        (true, "") => inside.join(" "),
        (true, name) => format!("{name}({})", inside.join(" ")),
    }
}

fn check(kind: &str, segments: &str, expected: &str, deviations: &[&str]) {
    let message = message(kind, segments);
    let tree = message.tree();
    assert_eq!(draw(tree.root()), expected, "{kind} {segments}");
    let found: Vec<String> = tree
        .deviations()
        .iter()
        .map(|d| format!("{:?} {}", d.kind, d.to_fault().place()))
        .collect();
    assert_eq!(found, deviations, "{kind} {segments}");
    let mut placed: Vec<usize> = tree.root().all_segments().collect();
    placed.sort_unstable();
    assert_eq!(placed, (0..message.segment_count()).collect::<Vec<_>>());
}

#[test]
fn admissions() {
    check("ADT^A01^ADT_A01", "EVN PID PV1 OBX OBX AL1", "MSH EVN PID PV1 OBX OBX AL1", &[]);
    check(
        "ADT^A04",
        "EVN PID PV1 ZPI PR1 ROL PR1 GT1 IN1 IN2 IN1",
        "MSH EVN PID PV1 ZPI PROCEDURE(PR1 ROL) PROCEDURE(PR1) GT1 INSURANCE(IN1 IN2) INSURANCE(IN1)",
        &[],
    );
    check("ADT^A01", "PID EVN PV1", "MSH PID EVN PV1", &["OutOfOrder EVN"]);
    check("ADT^A01", "EVN PID PID PV1", "MSH EVN PID PID PV1", &["TooMany PID[2]"]);
    check("ADT^A01", "EVN PID", "MSH EVN PID", &["Missing PV1"]);
    check("ADT^A01", "EVN PID PV1 SPM", "MSH EVN PID PV1 SPM", &["Unexpected SPM"]);
}

#[test]
fn results() {
    check(
        "ORU^R01^ORU_R01",
        "PID PV1 ORC OBR NTE OBX NTE OBX OBR OBX SPM OBX PID OBR OBX",
        "MSH PATIENT_RESULT(PATIENT(PID VISIT(PV1)) \
         ORDER_OBSERVATION(ORC OBR NTE OBSERVATION(OBX NTE) OBSERVATION(OBX)) \
         ORDER_OBSERVATION(OBR OBSERVATION(OBX) SPECIMEN(SPM OBX))) \
         PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(OBR OBSERVATION(OBX)))",
        &[],
    );
    check(
        "ORU^R01",
        "PID OBX",
        "MSH PATIENT_RESULT(PATIENT(PID) ORDER_OBSERVATION(OBSERVATION(OBX)))",
        &["Missing OBR"],
    );
    check(
        "ORU^R01",
        "PID OBR OBX PV1 OBX",
        "MSH PATIENT_RESULT(PATIENT(PID VISIT(PV1)) \
         ORDER_OBSERVATION(OBR OBSERVATION(OBX) OBSERVATION(OBX)))",
        &["OutOfOrder PV1"],
    );
    check(
        "ORU^R01",
        "PV1 PID OBR",
        "MSH PATIENT_RESULT(PATIENT(VISIT(PV1) PID) ORDER_OBSERVATION(OBR))",
        &["OutOfOrder PID"],
    );
    check(
        "ORU^R01",
        "PID OBR OBX ZOB OBX",
        "MSH PATIENT_RESULT(PATIENT(PID) \
         ORDER_OBSERVATION(OBR OBSERVATION(OBX ZOB) OBSERVATION(OBX)))",
        &[],
    );
}

#[test]
fn orders_begin_again_with_orc() {
    check(
        "OML^O21^OML_O21",
        "PID ORC OBR OBX ORC OBR OBX",
        "MSH PATIENT(PID) ORDER(ORC OBSERVATION_REQUEST(OBR OBSERVATION(OBX))) \
         ORDER(ORC OBSERVATION_REQUEST(OBR OBSERVATION(OBX)))",
        &[],
    );
    check(
        "ORM^O01",
        "PID PV1 ORC OBR NTE ORC OBR",
        "MSH PATIENT(PID PATIENT_VISIT(PV1)) ORDER(ORC ORDER_DETAIL(OBR NTE)) ORDER(ORC ORDER_DETAIL(OBR))",
        &[],
    );
    check(
        "VXU^V04",
        "PID ORC RXA RXR OBX OBX ORC RXA",
        "MSH PID ORDER(ORC RXA RXR OBSERVATION(OBX) OBSERVATION(OBX)) ORDER(ORC RXA)",
        &[],
    );
}

#[test]
fn without_a_structure_all_is_flat() {
    check("XYZ^Z99", "PID OBX PID", "MSH PID OBX PID", &[]);
    check("", "PID", "MSH PID", &[]);
}

#[test]
fn paths_through_groups() {
    let message = message("ORU^R01", "PID OBR OBX OBX OBR OBX PID OBR OBX OBX");
    let check = |path: &str, expected: &[usize]| {
        let path = Path::parse(path).unwrap();
        let found: Vec<usize> = message.read_all(&path).iter().map(|v| v.range().start).collect();
        let starts: Vec<usize> = expected
            .iter()
            .map(|i| message.segment(*i).unwrap().field(1).unwrap().range().start)
            .collect();
        assert_eq!(found, starts, "{path}");
    };
    check("OBX-1", &[3, 4, 6, 9, 10]);
    check("OBX[3]-1", &[6]);
    check("ORDER_OBSERVATION[2].OBX-1", &[6]);
    check("ORDER_OBSERVATION[3].OBX[2]-1", &[10]);
    check("ORDER_OBSERVATION.OBX[1]-1", &[3, 6, 9]);
    check("PATIENT_RESULT[2].ORDER_OBSERVATION[1].OBX-1", &[9, 10]);
    check("OBSERVATION[2].OBX-1", &[4]);
    check("ORDER_OBSERVATION[9].OBX-1", &[]);
    check("NOWHERE.OBX-1", &[]);
    let node = message.tree().node(6).unwrap();
    let order = node.enclosing("ORDER_OBSERVATION").unwrap();
    assert_eq!(order.child_segments("OBR").collect::<Vec<_>>(), [5]);
    assert_eq!(order.segments("OBX").collect::<Vec<_>>(), [6]);
    assert!(node.enclosing("SPECIMEN").is_none());
}

#[test]
fn many_segments_take_linear_time() {
    let message = message("ORU^R01", &"OBX PV1 NTE XXX ".repeat(20_000));
    assert_eq!(message.tree().root().all_segments().count(), 80_001);
    assert_eq!(message.tree().deviations().len(), DEVIATIONS_MAX);
    assert!(message.tree().deviation_count() > DEVIATIONS_MAX);
}
