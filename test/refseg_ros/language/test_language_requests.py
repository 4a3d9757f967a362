# SPDX-License-Identifier: Apache-2.0
"""Requests: the thing meant among what is to be done, on the way and why."""

from __future__ import annotations

import time

import pytest
from benchmark_scripts import benchmark

from refseg_lab.evaluation.parser_accuracy import reading
from refseg_ros.language import parse


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("park behind the green tractor", "tractor"),
        ("drive to the gate", "gate"),
        ("stop by the fountain and wait", "fountain"),
        ("pull up behind the tractor so i can get out", "tractor"),
        ("drop me off near the bakery", "bakery"),
        ("turn left after the second lamp", "lamp"),
        ("stay in this lane and follow the tractor", "tractor"),
        ("find me a spot near the tractor", "tractor"),
        ("let the duck cross", "duck"),
        ("wait until the tractor has passed, then go on", "tractor"),
        ("slow down, that tractor is stopping", "tractor"),
        ("when you reach the gate, turn around", "gate"),
        ("keep a distance from the tractor", "tractor"),
        ("change lanes before the tractor passes us", "tractor"),
        ("rinse the pot", "pot"),
        ("hand the pot over", "pot"),
        ("switch the lamp off", "lamp"),
        ("guide me to the exit door", "door"),
        ("stop sign on the left", "sign"),
        ("park bench near the pond", "bench"),
        ("park in the street", "street"),
    ],
)
def test_the_goal_of_a_command(text: str, head: str) -> None:
    assert parse(text).head == head


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("do you have the striped jar", "the striped jar"),
        ("i'll have the jar on the left", "the jar on the left"),
        ("i need to have the jar next to the pan", "the jar next to the pan"),
        ("i am looking at the jar", "the jar"),
        ("go near the second jar from the left", "the second jar from the left"),
        ("get close to the jar", "the jar"),
        ("whats the tall jar", "the tall jar"),
        ("umm like the tall jar", "the tall jar"),
        ("i do not want the red jar, i want the blue jar", "the blue jar"),
        ("turn around. it is late. go to the jar behind the pan", "the jar behind the pan"),
    ],
)
def test_a_request_means_what_its_thing_means_alone(text: str, plain: str) -> None:
    assert parse(text).target == parse(plain).target


@pytest.mark.parametrize(
    ("text", "relations"),
    [
        ("what is next to the jar", ["next_to(jar)"]),
        ("the one next to the jar", ["next_to(jar)"]),
        ("behind the jar", ["behind(jar)"]),
    ],
)
def test_a_thing_beside_a_landmark_stays_one(text: str, relations: list[str]) -> None:
    assert parse(text).head == ""
    assert reading(parse(text))["relations"] == relations


def test_where_a_handled_thing_goes_is_no_part_of_which_one() -> None:
    expression = parse("deliver the jar to the kitchen")
    assert (expression.head, expression.destination) == ("jar", "to the kitchen")
    assert not expression.relations


def test_a_later_sentence_may_say_who_is_meant() -> None:
    expression = parse("stop by him. he is the one on the left")
    assert [item.value for item in expression.directions] == ["left"]
    assert parse("my uncle is the man near the gate. pull over").head == "man"


def test_every_wording_of_the_sweep_is_read_as_the_name_alone() -> None:
    script = benchmark("request_wordings")
    assert len(script.WORDINGS) >= 200
    assert script.misread("the striped jar") == []


@pytest.mark.parametrize(
    "text",
    ["go to ", "a ", "not ", "held by ", "the dog the cat ", '"a" ', "a's b - c ", ", stop at "],
)
def test_ten_kilobytes_of_anything_are_read_at_once(text: str) -> None:
    long = (text * 10_000)[:10_000]
    best = min(_seconds(long) for _ in range(5))
    assert best < 0.05


def _seconds(text: str) -> float:
    before = time.perf_counter()
    parse(text)
    return time.perf_counter() - before


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("take the next left after the white van", "van"),
        ("take the second right past the kiosk", "kiosk"),
        ("make a sharp left at the blue tent", "tent"),
        ("take a left turn after the tram", "tram"),
        ("take the same exit as the lorry", "lorry"),
        ("take the left mug", "mug"),
        ("slow down so that you do not hit the cart", "cart"),
        ("speed up so we do not lose the green van", "van"),
        ("this grey van wants to turn, let it in", "van"),
        ("maybe this lady knows where the shop is. stop so i can ask her", "lady"),
        ("let the van next to us go first", "van"),
        ("let that cyclist pass", "cyclist"),
        ("we took a wrong turn. we need the road that this truck is coming from", "truck"),
        ("let me say hi to the lady at the kiosk", "lady"),
        ("follow the direction of that bus", "bus"),
        ("is there any room? park behind that grey van", "van"),
        ("is there any room?", "room"),
        ("switch lanes once we are past the tram", "tram"),
        ("that lady is my aunt, pull over", "lady"),
        ("my friend is the man on the left", "man"),
        ("park by the kerb where the nurse is waiting", "nurse"),
        ("that is my aunt. follow that red tram", "tram"),
        ("that is my aunt. pull over", "aunt"),
        ("she is supposed to meet me by the well. stop next to the cone", "cone"),
        ("slow down so that we are behind the white trailer", "trailer"),
        ("go down this street straight ahead, where that tram is", "tram"),
        ("slow down, the cyclist might want to turn", "cyclist"),
        ("turn down the street immediately after that kiosk", "kiosk"),
        ("find someplace to park past that tram", "tram"),
        ("do not start until the boy has crossed", "boy"),
    ],
)
def test_a_request_is_about_a_thing_and_no_way(text: str, head: str) -> None:
    assert parse(text).head == head


def test_what_a_later_command_names_again_is_what_was_described() -> None:
    found = parse("there is a blue van on the left. follow that van")
    assert (found.head, found.target.colours) == ("van", ("blue",))
    assert [item.value for item in found.directions] == ["left"]


@pytest.mark.parametrize(
    ("text", "looks", "place"),
    [
        ("watch out as there is oncoming traffic", "oncoming traffic", []),
        ("speed up to the tram before us", "tram", ["front"]),
        ("stop before the tram", "tram", []),
    ],
)
def test_what_is_said_of_the_goal(text: str, looks: str, place: list[str]) -> None:
    found = parse(text)
    assert found.target.text == looks
    assert [item.value for item in found.directions] == place
