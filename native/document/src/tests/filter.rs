//! The language's tables, row by row. Programs are written as lenient JSON.

use super::bson_of;
use crate::{Error, Filter};

/// Asserts the result of a program for documents that hold `a` as given; `-` is no `a` at all.
fn check(program: &str, passing: &[&str], failing: &[&str]) {
    let filter = Filter::parse(&bson_of(program)).unwrap_or_else(|e| panic!("{program}: {e}"));
    for (values, expected) in [(passing, true), (failing, false)] {
        for value in values {
            let text =
                if *value == "-" { "{b: 9}".into() } else { format!("{{b: 9, a: {value}}}") };
            assert_eq!(filter.matches(&bson_of(&text)), Ok(expected), "{program} on {text}");
        }
    }
}

fn compare(operator: &str, operand: &str) -> String {
    format!("{{n: 'cmp', p: 'a', o: '{operator}', v: {operand}}}")
}

fn refused(program: &str) -> String {
    Filter::parse(&bson_of(program)).unwrap_err().to_string()
}

#[test]
fn existence_is_not_null() {
    check("{n:'exists',p:'a',v:true}", &["1", "null", "[]", "{}"], &["-"]);
    check("{n:'exists',p:'a',v:false}", &["-"], &["1", "null", "[]", "{}"]);
    check(
        "{n:'exists',p:'a.b',v:true}",
        &["{b:null}", "[{b:1}]", "[{b:[]}]"],
        &["[]", "[{}]", "1"],
    );
}

#[test]
fn null_operands_ask_for_missing_or_null() {
    check(&compare("eq", "null"), &["-", "null"], &["0", "[null]", "[]", "{}", "undefined"]);
    check(&compare("ne", "null"), &["0", "[null]", "[]", "{}"], &["-", "null"]);
}

#[test]
fn missing_and_null_pass_only_negations() {
    for operator in ["eq", "gt", "gte", "lt", "lte"] {
        check(&compare(operator, "5"), &[], &["-", "null"]);
    }
    check(&compare("ne", "5"), &["-", "null"], &[]);
    check("{n:'in',p:'a',v:[1,null]}", &["-", "null", "1", "[null]"], &["2", "[]"]);
    check("{n:'in',p:'a',v:[1,/x/]}", &["[0,'x']"], &["-", "null"]);
    check("{n:'nin',p:'a',v:[1,null]}", &["2", "[]"], &["-", "null", "1", "[null]"]);
    check("{n:'nin',p:'a',v:[1]}", &["-", "null", "[]", "'1'"], &["1", "[2,1]"]);
    check("{n:'in',p:'a',v:[]}", &[], &["-", "null", "1", "[]"]);
    check("{n:'size',p:'a',v:0}", &["[]"], &["-", "null"]);
    check("{n:'all',p:'a',v:[]}", &["[]", "[1]"], &["-", "null", "1"]);
    check("{n:'regex',p:'a',v:/x*/}", &["''"], &["-", "null"]);
}

#[test]
fn all_needs_every_listed_value() {
    check(
        "{n:'all',p:'a',v:[1,'x']}",
        &["['x',1.0]", "[1,2,'x']"],
        &["[1]", "1", "[]", "[['x',1]]"],
    );
    check("{n:'all',p:'a',v:[/^x/,[1]]}", &["['xy',[1]]"], &["['y',[1]]", "['xy',1]"]);
    check("{n:'all',p:'a',v:[null]}", &["[null]"], &["[1]", "null"]);
}

#[test]
fn size_counts_elements() {
    check(
        "{n:'size',p:'a',v:2}",
        &["[1,[2,3]]", "[null,null]"],
        &["[1]", "'ab'", "2", "{b:1,c:2}"],
    );
    check(
        "{n:'size',p:'a.b',v:2}",
        &["[{b:1},{b:2}]", "[{b:[1,2]}]"],
        &["[{b:1}]", "[{b:[[1,2]]}]"],
    );
}

#[test]
fn lists_look_at_top_level_elements() {
    check(
        "{n:'in',p:'a',v:[1,'x',[2]]}",
        &["1", "'x'", "[3,1]", "[[2]]"],
        &["2", "[[1]]", "[2]", "{}"],
    );
    check("{n:'in',p:'a',v:[/^x/i]}", &["'Xy'", "[1,'x']"], &["'yx'", "[['x']]", "1"]);
    check("{n:'nin',p:'a',v:['x']}", &["5", "{}", "['y']", "-"], &["'x'", "['y','x']"]);
    check("{n:'in',p:'a',v:[{b:1}]}", &[], &["{b:1}", "[{b:1}]"]);
}

#[test]
fn regular_expressions_search_strings() {
    check(
        "{n:'regex',p:'a',v:/b+/}",
        &["'abbc'", "[1,'b']"],
        &["'ac'", "5", "[['b']]", "{}", "[]"],
    );
    check("{n:'regex',p:'a',v:/^b.$/ims}", &[r"'a\nB\n'"], &["'ab'"]);
    check(r"{n:'regex',p:'a',v:/^\d{2}$/u}", &["'12'"], &["'١٢'", "'1'"]);
    check("{n:'regex',p:'a',v:/^.é$/}", &["'éé'"], &["'é'"]);
    check(r"{n:'regex',p:'a',v:/x\b/}", &["'xé'", "'x y'"], &["'xy'"]);
    assert_eq!(
        refused("{n:'regex',p:'a',v:/a/ix}"),
        "BQL parse error: Unsupported $regex option: x"
    );
    for pattern in ["(", "a**", "(?=a)", r"(a)\\1", "[", "a{1001}", "((a{1000}){1000}){1000}", "*"]
    {
        let program = format!("{{n:'in',p:'a',v:[{{$regex:'{pattern}',$options:''}}]}}");
        let error = refused(&program);
        assert!(error.starts_with("BQL parse error: Invalid $regex pattern: "), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn arrays_pass_with_one_element() {
    check(
        &compare("gt", "80"),
        &["[1,81]", "[90,'x']"],
        &["[80]", "[]", "['x']", "[[90]]", "[null]"],
    );
    check(&compare("eq", "5"), &["[1,5.0]"], &["[1]", "[]", "[[5]]", "['5']"]);
    check(&compare("ne", "5"), &["[1]", "[]", "['5']", "[[5]]", "[null]"], &["[1,5]", "[5]"]);
    check(
        &compare("eq", "['a','b']"),
        &["[['a','b']]", "[1,['a','b']]"],
        &["['a','b']", "[['a']]", "[]"],
    );
    check(&compare("eq", "[1,[null]]"), &["[[1.0,[null]]]"], &["[[1,[]]]", "[[1,[null],2]]"]);
    check(&compare("eq", "[{}]"), &[], &["[[{}]]", "[{}]"]);
    check(&compare("ne", "[1]"), &["[1]", "[]"], &["[[1]]", "5"]);
    check(&compare("gte", "[1]"), &[], &["[[1]]", "[[2]]"]);
}

#[test]
fn other_types_never_match() {
    check(&compare("ne", "'x'"), &["'y'"], &["5", "{}", "true", "'x'", "undefined"]);
    check(&compare("eq", "{b:1}"), &[], &["{b:1}", "5"]);
    check(&compare("ne", "{b:1}"), &["-", "[1]", "[{b:1}]"], &["{b:1}", "{b:2}", "5"]);
    check(
        &compare("gt", "5"),
        &[],
        &["'9'", "true", "{}", "NumberLong"]
            .map(|v| if v == "NumberLong" { "ISODate('2026-01-01')" } else { v }),
    );
    check(&format!("{{n:'not',c:[{}]}}", compare("eq", "'x'")), &["5", "-", "'y'"], &["'x'"]);
}

#[test]
fn numbers_compare_by_value() {
    let same = ["5", "5.0", "NumberLong(5)", "NumberDecimal('5.00')"];
    for operand in same {
        check(&compare("eq", operand), &same, &["5.1", "4", "NumberDecimal('5.01')", "'5'"]);
        check(
            &compare("gt", operand),
            &["6", "5.1", "NumberLong(6)", "NumberDecimal('5.1')", "NaN"],
            &same,
        );
        check(&compare("lte", operand), &same, &["NaN", "Infinity", "NumberDecimal('NaN')"]);
    }
    check(&compare("eq", "NaN"), &["NaN", "NumberDecimal('NaN')"], &["Infinity", "0"]);
    check(&compare("eq", "0.0"), &["-0.0", "0", "NumberDecimal('-0')"], &["5e-324"]);
    check(&compare("eq", "NumberDecimal('0.1')"), &["0.1"], &["0.10000000000000002"]);
}

#[test]
fn every_type_has_its_order() {
    check(&compare("gt", "'b'"), &["'c'", "'ba'", "'é'"], &["'b'", "'B'", "''"]);
    check(&compare("gte", "true"), &[], &["true", "false"]);
    check(&compare("eq", "true"), &["true"], &["false", "1"]);
    check(&compare("ne", "true"), &["false", "-"], &["true", "1"]);
    check(
        &compare("lt", "ISODate('2026-01-01')"),
        &["ISODate('2025-12-31')"],
        &["5", "Timestamp(1,1)"],
    );
    check(
        &compare("gte", "Timestamp(5,2)"),
        &["Timestamp(5,2)", "Timestamp(4294967295,0)"],
        &["Timestamp(5,1)", "ISODate('2026-01-01')"],
    );
    check(
        &compare("lt", "BinData(0,'AQI=')"),
        &["BinData(5,'AQ==')", "BinData(0,'AQE=')"],
        &["BinData(0,'AQI=')", "BinData(0,'/w==')"],
    );
    check(
        &compare("eq", "BinData(2,'AQI=')"),
        &["BinData(2,'AQI=')", "BinData(0,'AQI=')"],
        &["BinData(0,'AQ==')"],
    );
    check(
        &compare("gt", "ObjectId('00000000000000000000000f')"),
        &["ObjectId('f00000000000000000000000')"],
        &["ObjectId('00000000000000000000000f')", "'f00000000000000000000000'"],
    );
}

#[test]
fn combinators_nest() {
    let (one, two) = (compare("eq", "1"), compare("eq", "2"));
    check(&format!("{{n:'and',c:[{one},{two}]}}"), &["[1,2]"], &["1", "[1]"]);
    check(&format!("{{n:'or',c:[{one},{two}]}}"), &["1", "2"], &["3", "-"]);
    check(&format!("{{n:'nor',c:[{one},{two}]}}"), &["3", "-"], &["1", "2"]);
    check(&format!("{{n:'not',c:[{{n:'or',c:[{one},{two}]}}]}}"), &["3", "-"], &["1"]);
}

#[test]
fn programs_that_always_pass_are_known() {
    let one = compare("eq", "1");
    for (program, expected) in [
        ("{n:'true'}", true),
        ("{n:'and',c:[]}", true),
        ("{n:'or',c:[]}", false),
        ("{n:'nor',c:[]}", true),
        ("{n:'nor',c:[{n:'true'}]}", false),
        ("{n:'not',c:[{n:'or',c:[]}]}", true),
        ("{n:'and',c:[{n:'true'},{n:'and',c:[]}]}", true),
        (one.as_str(), false),
    ] {
        let filter = Filter::parse(&bson_of(program)).unwrap();
        assert_eq!(filter.matches_all(), expected, "{program}");
        assert_eq!(filter.matches(&bson_of("{}")), Ok(expected), "{program}");
    }
}

#[test]
fn element_matching_stays_on_one_element() {
    let bounds = "{n:'elem',p:'a',c:[{n:'cmp',o:'gte',v:80},{n:'cmp',o:'lt',v:90}]}";
    check(
        bounds,
        &["[85]", "[1,80]", "[[85]]"],
        &["[79,90]", "[]", "85", "-", "null", "['85']", "{}"],
    );
    let fields = "{n:'elem',p:'a',c:[{n:'cmp',p:'x',o:'eq',v:1},{n:'cmp',p:'y',o:'gt',v:1}]}";
    check(
        fields,
        &["[{x:1,y:2}]", "[5,{x:[1],y:2}]"],
        &["[{x:1},{y:2}]", "{x:1,y:2}", "[[{x:1,y:2}]]"],
    );
    check("{n:'elem',p:'a',c:[]}", &["[1]", "[null]", "[[]]"], &["[]", "-", "1"]);
    check(
        "{n:'elem',p:'a',c:[{n:'cmp',p:'s',o:'ne',v:'x'}]}",
        &["[5]", "[{}]", "[{s:'y'}]"],
        &["[{s:'x'}]"],
    );
    check(
        "{n:'elem',p:'a',c:[{n:'cmp',o:'eq',v:null}]}",
        &["[1,null]"],
        &["[1]", "[[null]]", "[{}]"],
    );
    check("{n:'elem',p:'a',c:[{n:'cmp',o:'gt',v:1}]}", &["[2]"], &["[null]"]);
    check("{n:'elem',p:'a',c:[{n:'exists',v:true}]}", &["[null]", "[{}]"], &["[]"]);
    check("{n:'elem',p:'a',c:[{n:'size',v:1}]}", &["[[1]]"], &["[1]", "[{x:1}]"]);
    let unnamed = "{n:'elem',p:'a',c:[{n:'cmp',p:'',o:'eq',v:1}]}";
    check(unnamed, &["[{'':1}]"], &["[1]", "[{x:1}]", "[[1]]"]);
    check("{n:'elem',p:'a',c:[{n:'cmp',p:'0',o:'eq',v:1}]}", &["[{'0':1}]"], &["[[1]]"]);
    check(
        "{n:'elem',p:'a',c:[{n:'elem',p:'x',c:[{n:'cmp',o:'eq',v:1}]}]}",
        &["[{x:[1]}]"],
        &["[{x:1}]", "[{x:[2]}]"],
    );
    check(
        "{n:'elem',p:'a.x',c:[{n:'cmp',p:'y',o:'eq',v:1}]}",
        &["[{x:{y:1}}]", "[{x:[{y:1}]}]"],
        &["[{y:1}]"],
    );
}

#[test]
fn paths_follow_documents_and_arrays() {
    let found = |path: &str, value: &str| {
        let filter =
            Filter::parse(&bson_of(&format!("{{n:'cmp',p:'{path}',o:'eq',v:7}}"))).unwrap();
        filter.matches(&bson_of(value)).unwrap()
    };
    for (path, doc, expected) in [
        ("a.b.c", "{a:{b:{c:7}}}", true),
        ("a.b.y", "{a:{b:{x:1},c:2}}", false),
        ("a.0", "{a:[7]}", true),
        ("a.0", "{a:{'0':7}}", true),
        ("a.1", "{a:[7]}", false),
        ("a.99999999999999999999999", "{a:[7]}", false),
        ("a.0", "{a:[{'0':7}]}", false),
        ("m.0.1", "{m:[[1,7],[7]]}", true),
        ("m.1.1", "{m:[[1,7],[7]]}", false),
        ("a.b", "{a:[1,{b:7},null]}", true),
        ("a.b", "{a:[[{b:7}]]}", false),
        ("a.b", "{a:[{b:[7]}]}", true),
        ("a.b", "{a:[{b:[[7]]}]}", false),
        ("a.b.c", "{a:[{b:[{c:[7]}]}]}", true),
        ("a.b.c", "{a:[{b:[{c:[[7]]}]}]}", false),
        ("d.t.0.n", "{d:[{t:[{n:1}]},{t:[{n:7}]}]}", true),
        ("d.t.0.n", "{d:[{t:[{n:1},{n:7}]}]}", false),
        ("a.b", "{a:7}", false),
        ("a", "{b:7}", false),
        ("", "{'':7}", true),
        ("", "{a:7}", false),
        ("a.", "{a:{'':7}}", true),
        ("a.", "{a:[{'':7}]}", true),
        (".a", "{'':{a:7}}", true),
    ] {
        assert_eq!(found(path, doc), expected, "{path} on {doc}");
    }
    // A collected array exists only if there was a hit; nulls are hits.
    let null = "{n:'cmp',p:'a.b',o:'eq',v:null}";
    check(null, &["[]", "[1]", "[{}]", "{}", "-"], &["[{b:null}]", "[{b:[]}]", "[{b:1}]"]);
    check("{n:'cmp',p:'a.b',o:'ne',v:1}", &["[]", "[{b:[]}]", "[{b:2}]"], &["[{b:2},{b:1}]"]);
    check("{n:'all',p:'a.b',v:[1,2]}", &["[{b:1},{b:2}]", "[{b:[1,2]}]"], &["[{b:1}]", "{b:1}"]);
    check("{n:'in',p:'a.b',v:[null]}", &["[]", "[{b:null}]"], &["[{b:1}]", "[{b:[]}]"]);
}

#[test]
fn malformed_programs_are_refused() {
    for program in [
        "{}",
        "{n:'x'}",
        "{n:5}",
        "{n:'and'}",
        "{n:'and',c:[1]}",
        "{n:'not',c:[]}",
        "{n:'not',c:[{n:'true'},{n:'true'}]}",
        "{n:'cmp',p:'a',o:'eq'}",
        "{n:'cmp',p:'a',o:'==',v:1}",
        "{n:'cmp',p:'a',o:'gt',v:null}",
        "{n:'in',p:'a',v:1}",
        "{n:'size',p:'a',v:-1}",
        "{n:'size',p:'a',v:1.0}",
        "{n:'exists',p:'a',v:1}",
        "{n:'regex',p:'a',v:'x'}",
        "{n:'true',z:1}",
    ] {
        let error = Filter::parse(&bson_of(program)).unwrap_err();
        assert!(matches!(error, Error::Program(_)), "{program}: {error}");
    }
    for (value, name) in
        [("MinKey", "MIN_KEY"), ("undefined", "UNDEFINED"), ("{$code:'f'}", "JAVASCRIPT")]
    {
        let expected = format!("BQL parse error: Unsupported value type: {name}");
        assert_eq!(refused(&compare("eq", value)), expected);
        assert_eq!(refused(&format!("{{n:'in',p:'a',v:[{value}]}}")), expected);
    }
    let deep = format!("{}{{n:'true'}}{}", "{n:'not',c:[".repeat(90), "]}".repeat(90));
    assert_eq!(Filter::parse(&bson_of(&deep)).unwrap().matches(&bson_of("{}")), Ok(true));
    let path = "a.".repeat(1000);
    let error = refused(&format!("{{n:'exists',p:'{path}',v:true}}"));
    assert_eq!(error, "document is nested deeper than 200");
}
