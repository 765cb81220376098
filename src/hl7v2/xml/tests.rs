//! Tests of the XML encoding, both ways.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::hl7v2::Message;
use crate::hl7v2::testing::{comes_back, odd_bytes};

fn message(bytes: &[u8]) -> Message {
    Message::parse(Bytes::copy_from_slice(bytes)).unwrap()
}

fn round(bytes: &[u8]) {
    let xml = write(&message(bytes)).unwrap();
    let back = read(xml.as_bytes()).unwrap();
    assert_eq!(back.write(), bytes, "{xml}");
}

const TEXT: &str = "MSH|^~\\&|EMR|E^1.2^ISO|||20260102||ORU^R01^ORU_R01|7|P|2.5.1\r\
    PID|1||5^^^H&1.2&ISO~6||Doe^Jo|\"\"||\r\
    OBR|1\r\
    OBX|1|CE|8^x^LN||a\\T\\b^<c>|\r\
    NTE|1||a \\H\\b\\N\\\\.br\\C:\\temp\r\
    ZB1|x^y&z|w\r";

#[test]
fn elements_are_named_by_structure_and_type() {
    let xml = write(&message(TEXT.as_bytes())).unwrap();
    let lines: Vec<&str> = xml.lines().collect();
    assert_eq!(
        lines,
        [
            r#"<?xml version="1.0" encoding="UTF-8"?>"#,
            r#"<ORU_R01 xmlns="urn:hl7-org:v2xml">"#,
            r#"<MSH><MSH.1>|</MSH.1><MSH.2>^~\&amp;</MSH.2><MSH.3><HD.1>EMR</HD.1></MSH.3><MSH.4><HD.1>E</HD.1><HD.2>1.2</HD.2><HD.3>ISO</HD.3></MSH.4><MSH.7><TS.1>20260102</TS.1></MSH.7><MSH.9><MSG.1>ORU</MSG.1><MSG.2>R01</MSG.2><MSG.3>ORU_R01</MSG.3></MSH.9><MSH.10>7</MSH.10><MSH.11><PT.1>P</PT.1></MSH.11><MSH.12><VID.1>2.5.1</VID.1></MSH.12></MSH>"#,
            r#"<ORU_R01.PATIENT_RESULT>"#,
            r#"<ORU_R01.PATIENT>"#,
            r#"<PID><PID.1>1</PID.1><PID.3><CX.1>5</CX.1><CX.4><HD.1>H</HD.1><HD.2>1.2</HD.2><HD.3>ISO</HD.3></CX.4></PID.3><PID.3><CX.1>6</CX.1></PID.3><PID.5><XPN.1><FN.1>Doe</FN.1></XPN.1><XPN.2>Jo</XPN.2></PID.5><PID.6>""</PID.6><PID.8></PID.8></PID>"#,
            r#"</ORU_R01.PATIENT>"#,
            r#"<ORU_R01.ORDER_OBSERVATION>"#,
            r#"<OBR><OBR.1>1</OBR.1></OBR>"#,
            r#"<ORU_R01.OBSERVATION>"#,
            r#"<OBX><OBX.1>1</OBX.1><OBX.2>CE</OBX.2><OBX.3><CE.1>8</CE.1><CE.2>x</CE.2><CE.3>LN</CE.3></OBX.3><OBX.5><CE.1>a&amp;b</CE.1><CE.2>&lt;c&gt;</CE.2></OBX.5><OBX.6></OBX.6></OBX>"#,
            r#"<NTE><NTE.1>1</NTE.1><NTE.3>a <escape V="H"/>b<escape V="N"/><escape V=".br"/>C:\temp<?er7-raw 61205C485C625C4E5C5C2E62725C433A5C74656D70?></NTE.3></NTE>"#,
            r#"<ZB1><ZB1.1><ZB1.1.1>x</ZB1.1.1><ZB1.1.2><ZB1.1.2.1>y</ZB1.1.2.1><ZB1.1.2.2>z</ZB1.1.2.2></ZB1.1.2></ZB1.1><ZB1.2>w</ZB1.2></ZB1>"#,
            r#"</ORU_R01.OBSERVATION>"#,
            r#"</ORU_R01.ORDER_OBSERVATION>"#,
            r#"</ORU_R01.PATIENT_RESULT>"#,
            r#"</ORU_R01>"#,
        ]
    );
}

#[test]
fn bytes_come_back() {
    for text in [
        TEXT,
        "MSH|^~\\&|",
        "\u{feff}\r\n MSH|^~\\&|A|\r\n\r\nPID\r\nPID|\npid|x\r\n",
        "MSH#!@%$#A#\r#x\rZB1##!@$!@\r no name\r\r",
        "MSH|^~|A|a\\b&c\r",
        "MSH|^~\\&|A\rNTE|\\|\\\\|\\F|\\X0D\\|\\Z1\\|\\x\ny\\|\"\"^\"\"&\"\"|^~^~&|  | x \r",
        "MSH|^~\\&|A\nPID|1\nMSH|^~\\&|B\nBHS|^~\\&\n",
        "msh|^~\\&|A\r",
        "MSH|^~\\&#|A||||||ADT^A01|1|P|2.7\rPID|a\\P\\b#\r",
        "MSH|^~\\&|A||||||ADT^A01|1|P|2.5\rNTE|]]>|<&>\"'|\u{b}\u{fffe}\u{85}\r",
    ] {
        round(text.as_bytes());
    }
    round(b"MSH|^~\\&|M\xfcller\rPID|\xff\xfe\r");
    round(b"MSH|^~\\&|M\xfc||||||ADT|1|P|2.5||||||UNICODE UTF-8\rPID|\xff|\xc3\xbc\r");
    round(b"MSH|^~\\&|||||||ADT|1|P|2.5||||||GB 18030-2000\rPID|\x83\x7c^\x83\r");
    round(b"MSH|^~\\&|||||||ADT|1|P|2.5||||||~ISO IR87\rPID|\x1b$B;3|^\x1b(B^x|\\M2442\\;3\\C2842\\\r");
    let wide: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_be_bytes).collect();
    round(&wide);
}

#[test]
fn documents_of_others_are_read() {
    let xml = r#"<?xml version="1.0"?>
        <!-- a comment -->
        <v:ADT_A01 xmlns:v="urn:hl7-org:v2xml">
          <v:MSH>
            <v:MSH.1>|</v:MSH.1><v:MSH.2>^~\&amp;</v:MSH.2>
            <v:MSH.9><v:MSG.1>ADT</v:MSG.1><v:MSG.2>A01</v:MSG.2></v:MSH.9>
            <v:MSH.10>7</v:MSH.10>
          </v:MSH>
          <v:ADT_A01.GROUP>
            <v:PID>
              <v:PID.5><v:XPN.2>J|o</v:XPN.2><v:XPN.1>D&#252;e</v:XPN.1></v:PID.5>
              <v:PID.3><v:CX.1>1</v:CX.1></v:PID.3>
              <v:PID.3><v:CX.1>2</v:CX.1><v:CX.4><v:HD.2>1.2</v:HD.2></v:CX.4></v:PID.3>
              <v:PID.8>""</v:PID.8>
              <v:PID.11/>
              <v:PID.12><![CDATA[<a&b>]]><v:escape V=".br"/>&lt;</v:PID.12>
            </v:PID>
          </v:ADT_A01.GROUP>
        </v:ADT_A01>"#;
    let text = String::from_utf8(read(xml.as_bytes()).unwrap().write().to_vec()).unwrap();
    assert_eq!(
        text,
        "MSH|^~\\&|||||||ADT^A01|7\r\
         PID|||1~2^^^&1.2||D\u{fc}e^J\\F\\o|||\"\"||||<a\\T\\b>\\.br\\<\r"
    );
}

#[test]
fn what_is_no_message_is_refused() {
    let check = |xml: &str, code: &str| {
        let fault = read(xml.as_bytes()).unwrap_err();
        assert_eq!(fault.code().as_str(), code, "{xml}");
    };
    let msh = "<MSH><MSH.1>|</MSH.1><MSH.2>^~\\&amp;</MSH.2></MSH>";
    let with = |segment: &str| format!("<A>{msh}{segment}</A>");
    check("", "W2070");
    check("MSH|^~\\&|", "W2070");
    check("<A/>", "W2070");
    check("<A><MSH>", "W2070");
    check("<A></B>", "W2070");
    check(&format!("{}<B/>", with("")), "W2070");
    check(&with("<PID><PID.x/></PID>"), "W2070");
    check(&with("<PID>text</PID>"), "W2070");
    check(&with("<PID><PID.1>a<ST.1>b</ST.1></PID.1></PID>"), "W2070");
    check(&with("<PID><PID.3><CX.1/><CX.1/></PID.3></PID>"), "W2070");
    check(&with("<PID><PID.1><escape V=\"a|b\"/></PID.1></PID>"), "W2070");
    check(&with("<PID><PID.1>&#0;</PID.1></PID>"), "W2070");
    check(&with("<PID><PID.99999/></PID>"), "W2032");
    check(&with("<PID><PID.1><A.1><B.1><C.1/></B.1></A.1></PID.1></PID>"), "W2071");
    check(&format!("{}{}", "<A>".repeat(100), "</A>".repeat(100)), "W2071");
    check(&with(&"<PID><PID.9999/></PID>".repeat(20)), "W2071");
    check(&format!("<!DOCTYPE A>{}", with("")), "W2072");
    let bomb = "<!DOCTYPE A [<!ENTITY a \"b\"><!ENTITY c \"&a;&a;\">]><A>&c;</A>";
    check(bomb, "W2072");
    check(&with("<PID><PID.1>&a;</PID.1></PID>"), "W2072");
    check("<ClinicalDocument xmlns=\"urn:hl7-org:v3\"/>", "W2070");
    let latin = "<MSH><MSH.1>|</MSH.1><MSH.2>^~\\&amp;</MSH.2><MSH.18>8859/1</MSH.18></MSH>";
    check(&format!("<A>{latin}<PID><PID.1>\u{20ac}</PID.1></PID></A>"), "W2034");
}

#[test]
fn documents_are_known_by_their_begin_and_headers_read_alone() {
    for (bytes, expected) in [
        (&b"<ADT_A01>"[..], true),
        (b"\xef\xbb\xbf \r\n<", true),
        (b"\xff\xfe<\0A\0", true),
        (b"\xfe\xff\0<", true),
        (b"MSH|<", false),
        (b"", false),
        (b"\xff\xfeM\0", false),
    ] {
        assert_eq!(is_document(bytes), expected, "{bytes:?}");
    }
    let xml = write(&message(TEXT.as_bytes())).unwrap();
    let control = |text: &str| {
        super::head(text.as_bytes()).map(|m| m.header().control_id().text().into_owned())
    };
    let whole = message(TEXT.as_bytes()).header().control_id().text().into_owned();
    assert_eq!(control(&xml).as_ref(), Some(&whole));
    let end = xml.find("</MSH>").unwrap() + "</MSH>".len();
    assert_eq!(control(&xml[..end]).as_ref(), Some(&whole), "the rest is missing");
    assert_eq!(control(&format!("{}<PID></", &xml[..end])).as_ref(), Some(&whole));
    for broken in ["", "<", "<A>", "<A><MSH>", "<A><MSH/></A>x", "no XML", "<A><PID/><MSH/></A>"] {
        assert!(control(broken).is_none_or(|id| id.is_empty()), "{broken}");
    }
}

#[test]
fn what_was_edited_counts_more_than_instructions() {
    let xml = write(&message(TEXT.as_bytes())).unwrap();
    assert!(xml.contains("C:\\temp"));
    let edited = xml.replace("C:\\temp", "new|");
    let text = String::from_utf8(read(edited.as_bytes()).unwrap().write().to_vec()).unwrap();
    assert_eq!(text, TEXT.replace("C:\\temp", "new\\F\\"));
}

proptest! {
    #[test]
    fn any_message_comes_back(tail in odd_bytes()) {
        comes_back(&tail, |message| read(write(message).unwrap().as_bytes()).unwrap())?;
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(<[A-Z]{1,3}(\\.[0-9]{1,2})?>|</[A-Z]{1,3}(\\.[0-9])?>|MSH|&amp;|[a|^~&;<>]){0,30}") {
        let _ = read(text.as_bytes());
        let _ = read(format!("<A><MSH><MSH.1>|</MSH.1>{text}</MSH></A>").as_bytes());
    }
}
