//! The rules of the language, one table each.

use crate::kit::table;
use serde_json::json;

#[test]
fn scalars_are_compared_loosely() {
    table([
        (json!({"a": "5"}), json!({"a": 5}), true),
        (json!({"a": 5}), json!({"a": "5"}), true),
        (json!({"a": 1.0}), json!({"a": 1}), true),
        (json!({"a": "1.0"}), json!({"a": 1}), true),
        (json!({"a": "1.0"}), json!({"a": "1"}), false),
        (json!({"a": true}), json!({"a": 1}), true),
        (json!({"a": 1}), json!({"a": true}), true),
        (json!({"a": true}), json!({"a": 2}), false),
        (json!({"a": true}), json!({"a": "1"}), true),
        (json!({"a": ""}), json!({"a": 0}), true),
        (json!({"a": ""}), json!({"a": false}), true),
        (json!({"a": "0"}), json!({"a": false}), true),
        (json!({"a": true}), json!({"a": "true"}), false),
        (json!({"a": "true"}), json!({"a": true}), false),
        (json!({"a": null}), json!({"a": null}), true),
        (json!({"a": null}), json!({"a": 0}), false),
        (json!({"a": null}), json!({"a": false}), false),
        (json!({"a": null}), json!({"a": ""}), false),
        (json!({"a": 0}), json!({"a": null}), false),
        (json!({"a": "null"}), json!({"a": null}), false),
        (json!({"a": "A"}), json!({"a": "a"}), false),
        (json!({"a": " 5 "}), json!({"a": 5}), true),
        (json!({"a": "0x10"}), json!({"a": 16}), true),
        (
            json!({"a": 9_007_199_254_740_993_u64}),
            json!({"a": 9_007_199_254_740_992_u64}),
            false,
        ),
        (
            json!({"a": "9007199254740993"}),
            json!({"a": 9_007_199_254_740_993_u64}),
            true,
        ),
        (json!({"a": {}}), json!({"a": null}), false),
        (
            json!({"a": {"b": 1}}),
            json!({"a": "[object Object]"}),
            false,
        ),
    ]);
}

#[test]
fn eq_and_neq_compare_like_literals_and_take_any_value() {
    table([
        (json!({"a": "5"}), json!({"a": {"$eq": 5}}), true),
        (json!({"a": "5"}), json!({"a": {"$neq": 5}}), false),
        (json!({"a": "6"}), json!({"a": {"$neq": 5}}), true),
        (json!({"a": "x"}), json!({"a": {"$neq": 5}}), true),
        (json!({"a": null}), json!({"a": {"$eq": null}}), true),
        (json!({"a": null}), json!({"a": {"$neq": null}}), false),
        (json!({"a": null}), json!({"a": {"$neq": 0}}), true),
        (
            json!({"a": {"b": 1, "c": 2}}),
            json!({"a": {"$eq": {"c": 2, "b": 1}}}),
            true,
        ),
        (
            json!({"a": {"b": 1, "c": 2}}),
            json!({"a": {"$eq": {"b": 1}}}),
            false,
        ),
        (
            json!({"a": {"b": 1}}),
            json!({"a": {"$eq": {"b": "1"}}}),
            false,
        ),
        (
            json!({"a": {"b": 1}}),
            json!({"a": {"$neq": {"b": 2}}}),
            true,
        ),
        (json!({"a": [1, 2]}), json!({"a": {"$eq": [1, 2]}}), true),
        (json!({"a": [1, 2]}), json!({"a": {"$eq": [2, 1]}}), false),
        (
            json!({"a": [1, 2, 3]}),
            json!({"a": {"$eq": [1, 2]}}),
            false,
        ),
        (json!({"a": [1, 2]}), json!({"a": {"$neq": 1}}), true),
    ]);
}

#[test]
fn in_and_nin_look_into_a_list_strictly() {
    table([
        (json!({"a": 123}), json!({"a": {"$in": [123, 456]}}), true),
        (json!({"a": 123}), json!({"a": {"$in": ["123"]}}), false),
        (json!({"a": "123"}), json!({"a": {"$in": [123]}}), false),
        (json!({"a": 1.0}), json!({"a": {"$in": [1]}}), true),
        (json!({"a": true}), json!({"a": {"$in": [1]}}), false),
        (json!({"a": true}), json!({"a": {"$in": [true]}}), true),
        (json!({"a": null}), json!({"a": {"$in": [null]}}), true),
        (json!({"a": 5}), json!({"a": {"$in": []}}), false),
        (json!({"a": 123}), json!({"a": {"$nin": [123, 456]}}), false),
        (json!({"a": 123}), json!({"a": {"$nin": ["123"]}}), true),
        (json!({"a": 5}), json!({"a": {"$nin": []}}), true),
        (json!({"a": {"b": 1}}), json!({"a": {"$in": [1]}}), false),
        (json!({"a": {"b": 1}}), json!({"a": {"$nin": [1]}}), false),
    ]);
}

#[test]
fn in_and_nin_with_a_string_ask_for_a_part_of_one() {
    table([
        (
            json!({"a": "some-text"}),
            json!({"a": {"$in": "text"}}),
            true,
        ),
        (
            json!({"a": "some-text"}),
            json!({"a": {"$in": "Text"}}),
            false,
        ),
        (
            json!({"a": "some-text"}),
            json!({"a": {"$nin": "some"}}),
            false,
        ),
        (
            json!({"a": "some-text"}),
            json!({"a": {"$nin": "other"}}),
            true,
        ),
        (json!({"a": "x"}), json!({"a": {"$in": ""}}), true),
        (json!({"a": 12}), json!({"a": {"$in": "1"}}), false),
        (json!({"a": 12}), json!({"a": {"$nin": "x"}}), false),
        (json!({"a": null}), json!({"a": {"$nin": "x"}}), false),
        (json!({"a": {}}), json!({"a": {"$nin": "x"}}), false),
    ]);
}

#[test]
fn in_and_nin_on_an_array_ask_for_any_element_or_none() {
    table([
        (json!({"a": [1, 2]}), json!({"a": {"$in": [2, 3]}}), true),
        (json!({"a": [1, 2]}), json!({"a": {"$in": [3]}}), false),
        (json!({"a": [1, 2]}), json!({"a": {"$in": ["2"]}}), false),
        (json!({"a": [1, 2]}), json!({"a": {"$nin": [2, 3]}}), false),
        (json!({"a": [1, 2]}), json!({"a": {"$nin": [3]}}), true),
        (json!({"a": []}), json!({"a": {"$in": [1]}}), false),
        (json!({"a": []}), json!({"a": {"$nin": [1]}}), true),
        (
            json!({"a": ["test", "other"]}),
            json!({"a": {"$in": "test"}}),
            true,
        ),
        (
            json!({"a": ["testing"]}),
            json!({"a": {"$in": "test"}}),
            false,
        ),
        (
            json!({"a": ["test", "other"]}),
            json!({"a": {"$nin": "test"}}),
            false,
        ),
        (
            json!({"a": ["other"]}),
            json!({"a": {"$nin": "test"}}),
            true,
        ),
    ]);
}

#[test]
fn text_is_ordered_by_characters_and_numbers_by_value() {
    table([
        (json!({"a": 5}), json!({"a": {"$gt": 4}}), true),
        (json!({"a": 5}), json!({"a": {"$gt": 5}}), false),
        (json!({"a": 5}), json!({"a": {"$gte": 5}}), true),
        (json!({"a": 5}), json!({"a": {"$lt": 5}}), false),
        (json!({"a": 5}), json!({"a": {"$lte": 5}}), true),
        (json!({"a": 2}), json!({"a": {"$gt": 1, "$lt": 3}}), true),
        (json!({"a": 3}), json!({"a": {"$gt": 1, "$lt": 3}}), false),
        (json!({"a": "10"}), json!({"a": {"$gte": "9"}}), false),
        (json!({"a": "10"}), json!({"a": {"$gte": 9}}), true),
        (json!({"a": 10}), json!({"a": {"$gte": "9"}}), true),
        (json!({"a": "c"}), json!({"a": {"$gt": "b"}}), true),
        (
            json!({"a": "2025-02-01"}),
            json!({"a": {"$lt": "2025-10-01"}}),
            true,
        ),
        (json!({"a": "abc"}), json!({"a": {"$gt": 5}}), false),
        (json!({"a": "abc"}), json!({"a": {"$lt": 5}}), false),
        (json!({"a": "12px"}), json!({"a": {"$gt": 5}}), false),
        (json!({"a": 10}), json!({"a": {"$gt": "x"}}), false),
        (json!({"a": -0.5}), json!({"a": {"$lt": 0}}), true),
        (json!({"a": 1e300}), json!({"a": {"$gt": u64::MAX}}), true),
        (
            json!({"a": u64::MAX}),
            json!({"a": {"$gt": u64::MAX - 1}}),
            true,
        ),
    ]);
}

#[test]
fn starts_with_and_ends_with_take_a_string_or_several() {
    table([
        (
            json!({"a": "some-text"}),
            json!({"a": {"$startsWith": "some"}}),
            true,
        ),
        (
            json!({"a": "some-text"}),
            json!({"a": {"$startsWith": "text"}}),
            false,
        ),
        (
            json!({"a": "some-text"}),
            json!({"a": {"$endsWith": "text"}}),
            true,
        ),
        (
            json!({"a": "some-text"}),
            json!({"a": {"$startsWith": ["x", "some"]}}),
            true,
        ),
        (
            json!({"a": "some-text"}),
            json!({"a": {"$endsWith": ["x", "y"]}}),
            false,
        ),
        (
            json!({"a": "some-text"}),
            json!({"a": {"$startsWith": []}}),
            false,
        ),
        (json!({"a": 12}), json!({"a": {"$startsWith": "1"}}), false),
        (
            json!({"a": ["some"]}),
            json!({"a": {"$startsWith": "some"}}),
            false,
        ),
    ]);
}

#[test]
fn a_type_that_does_not_fit_never_matches_but_not_around_it_does() {
    table([
        (json!({"a": true}), json!({"a": {"$gt": 0}}), false),
        (json!({"a": null}), json!({"a": {"$gte": 0}}), false),
        (json!({"a": {"b": 1}}), json!({"a": {"$gt": 0}}), false),
        (json!({"a": [5]}), json!({"a": {"$gt": 0}}), false),
        (json!({"a": 12}), json!({"a": {"$nin": "x"}}), false),
        (
            json!({"a": 12}),
            json!({"a": {"$not": {"$nin": "x"}}}),
            true,
        ),
        (
            json!({"a": 12}),
            json!({"a": {"$not": {"$startsWith": "1"}}}),
            true,
        ),
        (json!({"a": true}), json!({"a": {"$not": {"$gt": 0}}}), true),
        (json!({"a": 12}), json!({"a": {"$not": {"b": 1}}}), true),
    ]);
}

#[test]
fn an_absent_key_meets_nothing_but_exist_false() {
    for test in [
        json!({"$eq": 1}),
        json!({"$eq": null}),
        json!({"$neq": 1}),
        json!({"$neq": null}),
        json!({"$gt": 1}),
        json!({"$lt": 1}),
        json!({"$in": [1]}),
        json!({"$nin": [1]}),
        json!({"$nin": "x"}),
        json!({"$startsWith": "x"}),
        json!({"$not": {"$eq": 1}}),
        json!({"$not": {"$exist": true}}),
        json!({"$or": [{"$exist": false}]}),
        json!({"$and": [{"$exist": false}]}),
        json!({"$exist": true}),
        json!({"$ref": "b"}),
        json!({"$ref": "missing"}),
        json!({"$exist": false, "$neq": 1}),
        json!({"$exist": false, "b": 1}),
        json!(null),
        json!(0),
        json!({}),
        json!([]),
        json!({"b": {"$exist": false}}),
        json!({"$regex": ""}),
        json!({"$cidr": "0.0.0.0/0"}),
    ] {
        let filter = json!({"a": test});
        table([(json!({"b": 1}), filter, false)]);
    }
    table([
        (json!({"b": 1}), json!({"a": {"$exist": false}}), true),
        (json!({"a": null}), json!({"a": {"$exist": false}}), false),
        (json!({"a": null}), json!({"a": {"$exist": true}}), true),
        (json!({"a": []}), json!({"a": {"$exist": true}}), true),
        (
            json!({"a": {"b": 1}}),
            json!({"a": {"c": {"$exist": false}}}),
            true,
        ),
        (
            json!({"a": "x"}),
            json!({"a": {"c": {"$exist": false}}}),
            false,
        ),
        (
            json!({"b": 1}),
            json!({"$or": [{"a": {"$exist": false}}, {"b": 2}]}),
            true,
        ),
        (json!({"b": 1}), json!({"$not": {"a": 1}}), true),
        (
            json!({"b": 1}),
            json!({"$not": {"a": {"$exist": false}}}),
            false,
        ),
    ]);
}

#[test]
fn an_array_in_the_event_needs_one_element_that_meets_all() {
    table([
        (json!({"a": [1, 2]}), json!({"a": 2}), true),
        (json!({"a": [1, 2]}), json!({"a": "2"}), true),
        (json!({"a": [1, 2]}), json!({"a": 3}), false),
        (json!({"a": []}), json!({"a": 3}), false),
        (json!({"a": []}), json!({"a": null}), false),
        (json!({"a": [null]}), json!({"a": null}), true),
        (json!({"a": []}), json!({"a": {}}), false),
        (json!({"a": [1]}), json!({"a": {}}), false),
        (json!({"a": [{"x": 1}]}), json!({"a": {}}), true),
        (json!({"a": [[1], [2]]}), json!({"a": 2}), true),
        (
            json!({"a": [{"b": 1, "c": 1}, {"b": 2, "c": 2}]}),
            json!({"a": {"b": 1, "c": 1}}),
            true,
        ),
        (
            json!({"a": [{"b": 1, "c": 1}, {"b": 2, "c": 2}]}),
            json!({"a": {"b": 1, "c": 2}}),
            false,
        ),
        (
            json!({"a": [{"n": 9}, {"n": 11}]}),
            json!({"a": {"n": {"$lte": 10}}}),
            true,
        ),
        (
            json!({"a": [{"n": 12}, {"n": 11}]}),
            json!({"a": {"n": {"$lte": 10}}}),
            false,
        ),
        (json!([{"b": 1}, {"b": 2}]), json!({"b": 2}), true),
        (json!([1, 2]), json!(2), true),
        (
            json!({"a": [{"b": 1}]}),
            json!({"a": {"c": {"$exist": false}}}),
            true,
        ),
        // Fields beside an operator make it an object filter: one element meets both.
        (
            json!({"a": [{"b": 1, "c": 1}, {"b": 2, "c": 2}]}),
            json!({"a": {"b": 1, "$or": [{"c": 2}, {"c": 3}]}}),
            false,
        ),
        (
            json!({"a": [{"b": 1, "c": 1}, {"b": 2, "c": 2}]}),
            json!({"a": {"b": 2, "$or": [{"c": 2}, {"c": 3}]}}),
            true,
        ),
    ]);
}

#[test]
fn an_array_in_the_filter_needs_each_item_met() {
    table([
        (
            json!({"a": ["x", "y", "z"]}),
            json!({"a": ["z", "x"]}),
            true,
        ),
        (json!({"a": ["x", "y"]}), json!({"a": ["x", "w"]}), false),
        (json!({"a": ["x"]}), json!({"a": ["x", "x"]}), true),
        (json!({"a": "x"}), json!({"a": ["x"]}), false),
        (json!({"a": {"0": "x"}}), json!({"a": ["x"]}), false),
        (json!({"a": []}), json!({"a": []}), true),
        (json!({"a": ["x"]}), json!({"a": []}), true),
        (json!({"a": []}), json!({"a": ["x"]}), false),
        (json!({"a": [1, 5]}), json!({"a": [{"$gt": 4}]}), true),
        (json!({"a": [1, 2]}), json!({"a": [{"$gt": 4}]}), false),
        (
            json!({"a": [{"b": 1}, {"b": 2}]}),
            json!({"a": [{"b": 1}, {"b": 2}]}),
            true,
        ),
        (
            json!({"a": [{"b": 1}, {"b": 2}]}),
            json!({"a": [{"b": 1}, {"b": 3}]}),
            false,
        ),
        (json!({"a": [[1, 2], [3]]}), json!({"a": [[1, 2]]}), true),
        (json!({"a": [[1], [2]]}), json!({"a": [[1, 2]]}), false),
    ]);
}

#[test]
fn an_operator_takes_the_whole_array() {
    table([
        (json!({"a": [1, 2, 3]}), json!({"a": {"$eq": 3}}), false),
        (json!({"a": [1, 2, 3]}), json!({"a": {"$gt": 0}}), false),
        (
            json!({"a": ["x", "y"]}),
            json!({"a": {"$and": ["x", "y"]}}),
            true,
        ),
        (
            json!({"a": ["x", "z"]}),
            json!({"a": {"$and": ["x", "y"]}}),
            false,
        ),
        (
            json!({"a": ["x", "z"]}),
            json!({"a": {"$or": ["x", "y"]}}),
            true,
        ),
        (json!({"a": ["x", "y"]}), json!({"a": {"$not": "x"}}), false),
        (json!({"a": ["y"]}), json!({"a": {"$not": "x"}}), true),
        (
            json!({"a": ["x", "y"]}),
            json!({"a": [{"$not": "x"}]}),
            true,
        ),
        (
            json!({"a": ["text"]}),
            json!({"a": {"$regex": "text"}}),
            false,
        ),
        (
            json!({"a": ["text"]}),
            json!({"a": [{"$regex": "^t"}]}),
            true,
        ),
    ]);
}

#[test]
fn a_root_may_be_a_scalar_an_operator_or_an_array() {
    table([
        (json!(false), json!(false), true),
        (json!(true), json!(false), false),
        (json!("created"), json!("created"), true),
        (json!(1), json!(2), false),
        (json!({"a": 1}), json!(true), false),
        (json!({"a": 1}), json!(false), false),
        (json!(10), json!({"$gte": 5}), true),
        (json!("x"), json!({"$startsWith": "x"}), true),
        (json!({}), json!({}), true),
        (json!({"a": 1}), json!({}), true),
        (json!("x"), json!({}), false),
        (json!(null), json!({}), false),
        (json!(null), json!(null), true),
        (json!([]), json!({}), false),
        (json!(1), json!({"$or": [1, 2]}), true),
        (json!(1), json!({"$or": [2, 3]}), false),
        (json!({"a": 1}), json!({"$eq": {"a": 1}}), true),
        (json!(1), json!({"$exist": true}), true),
    ]);
}

#[test]
fn or_and_and_not_stand_anywhere_and_beside_others() {
    table([
        (json!({"a": 1}), json!({"$or": [{"a": 1}, {"a": 2}]}), true),
        (json!({"a": 3}), json!({"$or": [{"a": 1}, {"a": 2}]}), false),
        (
            json!({"a": 1, "b": 1}),
            json!({"$or": [{"a": 1}, {"a": 2}], "b": 1}),
            true,
        ),
        (
            json!({"a": 1, "b": 2}),
            json!({"$or": [{"a": 1}, {"a": 2}], "b": 1}),
            false,
        ),
        (
            json!({"a": 3, "b": 1}),
            json!({"$or": [{"a": 1}, {"a": 2}], "b": 1}),
            false,
        ),
        (json!({"a": 5}), json!({"a": {"$or": [1, 5]}}), true),
        (
            json!({"a": 5}),
            json!({"a": {"$or": [1, {"$gt": 4}], "$lt": 5}}),
            false,
        ),
        (
            json!({"a": {"b": "else"}}),
            json!({"a": {"$or": [{"b": true}, {"b": {"$in": "else"}}]}}),
            true,
        ),
        (
            json!({"a": {"b": "else"}}),
            json!({"a": {"$or": [{"b": true}, {"b": {"$in": "no"}}]}}),
            false,
        ),
        (
            json!({"a": 5}),
            json!({"a": {"$and": [{"$gt": 4}, {"$lt": 6}]}}),
            true,
        ),
        (
            json!({"a": 7}),
            json!({"a": {"$and": [{"$gt": 4}, {"$lt": 6}]}}),
            false,
        ),
        (
            json!({"a": 5}),
            json!({"$and": [{"a": 5}, {"a": {"$neq": 6}}]}),
            true,
        ),
        (json!({"a": 5}), json!({"$not": {"a": 5}}), false),
        (json!({"a": 5}), json!({"$not": {"a": 6}}), true),
        (json!({"a": 5}), json!({"a": {"$not": 6}}), true),
        (
            json!({"a": 5}),
            json!({"a": {"$not": {"$in": [5, 6]}}}),
            false,
        ),
        (
            json!({"a": 5}),
            json!({"$not": {"$or": [{"a": 1}, {"$not": {"a": 5}}]}}),
            true,
        ),
        (json!({"a": 5}), json!({"$not": {"a": 6}, "a": 4}), false),
        (json!({"a": 5}), json!({"$or": []}), false),
        (json!({"a": 5}), json!({"$and": []}), true),
    ]);
}

#[test]
fn a_reference_is_another_value_of_the_part() {
    table([
        (json!({"a": 1, "b": 1}), json!({"b": {"$ref": "a"}}), true),
        (json!({"a": 1, "b": 2}), json!({"b": {"$ref": "a"}}), false),
        (
            json!({"a": "1", "b": 1}),
            json!({"b": {"$ref": "$.a"}}),
            true,
        ),
        (
            json!({"a": 1, "b": 2}),
            json!({"b": {"$gt": {"$ref": "a"}}}),
            true,
        ),
        (
            json!({"a": 2, "b": 2}),
            json!({"b": {"$neq": {"$ref": "a"}}}),
            false,
        ),
        (
            json!({"a": {"x": true}, "b": {"y": true}}),
            json!({"b": {"y": {"$ref": "a.x"}}}),
            true,
        ),
        (
            json!({"a": ["x", "y"], "b": "y"}),
            json!({"a": {"$ref": "b"}}),
            true,
        ),
        (
            json!({"a": ["x", "y"], "b": "y"}),
            json!({"b": {"$ref": "a[1]"}}),
            true,
        ),
        (
            json!({"a": ["x", "y"], "b": "y"}),
            json!({"b": {"$ref": "a[0]"}}),
            false,
        ),
        (
            json!({"a": ["x", "y"], "b": "y"}),
            json!({"b": {"$in": {"$ref": "a"}}}),
            true,
        ),
        (
            json!({"a": [1, 2], "b": "2"}),
            json!({"b": {"$in": {"$ref": "a"}}}),
            false,
        ),
        (
            json!({"a": [1, 2], "b": "2"}),
            json!({"b": {"$nin": {"$ref": "a"}}}),
            true,
        ),
        (
            json!({"a": "some text", "b": "text"}),
            json!({"a": {"$in": {"$ref": "b"}}}),
            true,
        ),
        (
            json!({"a": "some text", "b": "some"}),
            json!({"a": {"$startsWith": {"$ref": "b"}}}),
            true,
        ),
        (
            json!({"a": "some text", "b": ["x", "text"]}),
            json!({"a": {"$endsWith": {"$ref": "b"}}}),
            true,
        ),
        (
            json!({"a": "some text", "b": 1}),
            json!({"a": {"$endsWith": {"$ref": "b"}}}),
            false,
        ),
        (
            json!({"a": {"x": 1, "y": 2}, "b": {"x": 1}}),
            json!({"a": {"$ref": "b"}}),
            true,
        ),
        (
            json!({"a": {"x": 1}, "b": {"x": 1, "y": 2}}),
            json!({"a": {"$ref": "b"}}),
            false,
        ),
        (
            json!({"a": {"x": 1}, "b": {"x": 1}}),
            json!({"a": {"$eq": {"$ref": "b"}}}),
            true,
        ),
    ]);
}

#[test]
fn a_missing_target_counts_as_null_and_a_reference_that_is_no_string_is_false() {
    table([
        (json!({"a": null}), json!({"a": {"$ref": "b"}}), true),
        (json!({"a": 1}), json!({"a": {"$ref": "b"}}), false),
        (
            json!({"a": null}),
            json!({"a": {"$eq": {"$ref": "b.c[3]"}}}),
            true,
        ),
        (json!({"a": 1}), json!({"a": {"$neq": {"$ref": "b"}}}), true),
        (json!({"a": 1}), json!({"a": {"$gt": {"$ref": "b"}}}), false),
        (json!({"a": 1}), json!({"a": {"$in": {"$ref": "b"}}}), false),
        (
            json!({"a": 1}),
            json!({"a": {"$nin": {"$ref": "b"}}}),
            false,
        ),
        (
            json!({"a": null}),
            json!({"a": {"$ref": {"bad": "ref"}}}),
            false,
        ),
        (json!({"a": null}), json!({"a": {"$ref": 5}}), false),
        (json!({"a": 1}), json!({"a": {"$not": {"$ref": 5}}}), true),
        (
            json!({"a": 1}),
            json!({"a": {"$neq": {"$ref": null}}}),
            false,
        ),
    ]);
}

#[test]
fn an_index_is_the_place_of_the_element_that_is_looked_at() {
    let variants = |pairs: &[(u8, u8)]| {
        let variants: Vec<_> = pairs
            .iter()
            .map(|(now, old)| json!({"now": now, "old": old}))
            .collect();
        json!({ "variants": variants })
    };
    let filter = json!({"variants": {"now": {"$ref": "variants[$index].old"}}});
    let grown = json!({"variants": {"now": {"$gt": {"$ref": "variants[$index].old"}}}});
    table([
        (variants(&[(5, 4), (4, 4)]), filter.clone(), true),
        (variants(&[(5, 4), (4, 5)]), filter, false),
        (variants(&[(1, 2), (3, 2)]), grown.clone(), true),
        (variants(&[(1, 2), (2, 3)]), grown, false),
        (
            json!([{"a": 1, "b": 2}, {"a": 3, "b": 3}]),
            json!({"a": {"$ref": "[$index].b"}}),
            true,
        ),
        (
            json!([{"a": 1, "b": 2}, {"a": 2, "b": 1}]),
            json!({"a": {"$ref": "[$index].b"}}),
            false,
        ),
        (
            json!({"o": [{"i": [{"x": 1, "y": 2}]}, {"i": [{"x": 0, "y": 9}, {"x": 7, "y": 7}]}]}),
            json!({"o": {"i": {"x": {"$ref": "o[$index].i[$index].y"}}}}),
            true,
        ),
        (
            json!({"o": [{"i": [{"x": 1, "y": 2}]}, {"i": [{"x": 2, "y": 1}]}]}),
            json!({"o": {"i": {"x": {"$ref": "o[$index].i[$index].y"}}}}),
            false,
        ),
        // Outside of any array there is no index, so the target is missing.
        (
            json!({"a": null, "l": [1]}),
            json!({"a": {"$ref": "l[$index]"}}),
            true,
        ),
        (
            json!({"l": [1, 2], "m": [3, 2]}),
            json!({"l": [{"$eq": {"$ref": "m[$index]"}}]}),
            true,
        ),
    ]);
}

#[test]
fn a_regular_expression_searches_a_string() {
    table([
        (
            json!({"a": "order-42"}),
            json!({"a": {"$regex": "^order-[0-9]+$"}}),
            true,
        ),
        (
            json!({"a": "an order-42"}),
            json!({"a": {"$regex": "order"}}),
            true,
        ),
        (
            json!({"a": "Order"}),
            json!({"a": {"$regex": "order"}}),
            false,
        ),
        (
            json!({"a": "Order"}),
            json!({"a": {"$regex": "(?i)order"}}),
            true,
        ),
        (json!({"a": 42}), json!({"a": {"$regex": "42"}}), false),
        (json!({"a": null}), json!({"a": {"$regex": ""}}), false),
        (
            json!({"a": "x"}),
            json!({"a": {"$not": {"$regex": "y"}}}),
            true,
        ),
    ]);
}

#[test]
fn a_network_has_addresses_of_either_writing() {
    table([
        (
            json!({"a": "10.1.2.3"}),
            json!({"a": {"$cidr": "10.0.0.0/8"}}),
            true,
        ),
        (
            json!({"a": "11.1.2.3"}),
            json!({"a": {"$cidr": "10.0.0.0/8"}}),
            false,
        ),
        (
            json!({"a": "11.1.2.3"}),
            json!({"a": {"$cidr": ["10.0.0.0/8", "11.1.2.3"]}}),
            true,
        ),
        (
            json!({"a": "::ffff:10.1.2.3"}),
            json!({"a": {"$cidr": "10.0.0.0/8"}}),
            true,
        ),
        (
            json!({"a": "10.1.2.3"}),
            json!({"a": {"$cidr": "::ffff:10.0.0.0/104"}}),
            true,
        ),
        (
            json!({"a": "2001:db8::1"}),
            json!({"a": {"$cidr": "2001:db8::/32"}}),
            true,
        ),
        (
            json!({"a": "10.1.2.3"}),
            json!({"a": {"$cidr": "::/0"}}),
            false,
        ),
        (
            json!({"a": "10.1.2.3, 10.1.2.4"}),
            json!({"a": {"$cidr": "10.0.0.0/8"}}),
            false,
        ),
        (
            json!({"a": "x"}),
            json!({"a": {"$cidr": "0.0.0.0/0"}}),
            false,
        ),
        (
            json!({"a": 10}),
            json!({"a": {"$cidr": "0.0.0.0/0"}}),
            false,
        ),
        (
            json!({"a": "x"}),
            json!({"a": {"$not": {"$cidr": "0.0.0.0/0"}}}),
            true,
        ),
    ]);
}

#[test]
fn prototype_like_keys_are_ordinary_and_dollar_names_are_doubled() {
    table([
        (json!({"__proto__": 1}), json!({"__proto__": 1}), true),
        (
            json!({"a": 1}),
            json!({"__proto__": {"$exist": true}}),
            false,
        ),
        (
            json!({"a": 1}),
            json!({"constructor": {"$exist": false}}),
            true,
        ),
        (
            json!({"constructor": {"name": "x"}}),
            json!({"constructor": {"name": "x"}}),
            true,
        ),
        (json!({"length": 1}), json!({"length": {"$gt": 0}}), true),
        (json!({"a": [1, 2]}), json!({"a": {"length": 2}}), false),
        (json!({"$type": "x"}), json!({"$$type": "x"}), true),
        (json!({"$eq": 5}), json!({"$$eq": 5}), true),
        (json!({"$$a": 5}), json!({"$$$a": 5}), true),
    ]);
}
