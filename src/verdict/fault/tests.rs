use super::*;
use crate::scenario::parse;

/// Three clusters on three networks with a fault of 10 s.
fn lab(fault: &str) -> Lab {
    let text = format!("name: x\nclusters: [c1, c2, c3]\nfaults:\n  - {fault}\n");
    let scenario = parse(&text, "x").unwrap_or_else(|e| panic!("{}", crate::scenario::render(&e)));
    crate::plan::resolve(&scenario).expect("a lab")
}

/// So many answers of each in turn, one every 50 ms; `-` is a failure.
fn calls(answers: &[(&str, usize)]) -> Vec<Moment> {
    let all = answers.iter().flat_map(|(who, count)| std::iter::repeat_n(*who, *count));
    let answer = |who: &str| match who {
        "-" => Answer::Failure("no answer".to_owned()),
        version => Answer::Version(version.to_owned()),
    };
    all.zip((0..).step_by(50)).map(|(who, millis)| Moment { millis, answer: answer(who) }).collect()
}

const TURNS: [(&str, usize); 6] = [("v1", 17), ("v2", 17), ("v3", 16), ("v3", 16), ("v2", 17), ("v1", 17)];

fn judge(fault: &str, away: &[(&str, usize)], back: &[(&str, usize)]) -> FaultVerdict {
    let lab = lab(fault);
    let calls = FaultCalls {
        from: "c1".into(),
        is_outside: false,
        before: calls(&TURNS),
        there: 0,
        away: calls(away),
        back: calls(back),
        within: [Some(4_000), None],
    };
    FaultJudge::of(&lab, &lab.faults[0]).judge(&[calls], 10.0)
}

const PARTITION: &str = "partition: { between: [c1, c2], for: 10s }";
const ISTIOD: &str = "istiod: { cluster: c1, for: 10s }";

#[test]
fn a_cluster_that_is_cut_off_serves_itself() {
    let verdict = judge(PARTITION, &[("v1", 4), ("-", 3), ("v1", 100), ("v3", 93)], &TURNS);
    assert_eq!(verdict.wrong(), [""; 0]);
    let source = &verdict.sources[0];
    assert_eq!((source.sent, source.lost), (200, 3));
    assert_eq!((source.first_answer, source.failover, source.back), (Some(0.35), Some(0.35), Some(1.7)));
    assert_eq!(source.within, [Some(4.0), None]);
    assert_eq!(source.answers, BTreeMap::from([("c1".into(), 104), ("c3".into(), 93)]));
    let told: Vec<String> = verdict.timeline.iter().map(|e| format!("{} {}", e.at, e.what)).collect();
    assert_eq!(
        told,
        [
            "0 the network between c1 and c2 is cut",
            "0.2 c1: the first request is lost",
            "0.35 c1: c1 answers again",
            "10 it ends",
            "11.7 c1: all is as before"
        ]
    );
}

#[test]
fn who_is_cut_off_and_answers_was_not_cut_off() {
    let verdict = judge(PARTITION, &[("v1", 190), ("v2", 10)], &TURNS);
    assert_eq!(
        verdict.wrong(),
        ["c2 answered c1 10 times in the last 5 s, although the network between c1 and c2 is cut"]
    );
    assert_eq!(judge(PARTITION, &[("v2", 90), ("v1", 110)], &TURNS).wrong(), [""; 0], "in the first half it may");
}

/// On a busy machine a fault takes its time to begin, and a call that was under way may still be answered.
#[test]
fn what_was_under_way_before_it_was_there_may_be_answered() {
    let lab = lab("partition: { between: [c1, c2], for: 5s }");
    let judge = FaultJudge::of(&lab, &lab.faults[0]);
    let wrong = |there: u64, away: &[(&str, usize)]| {
        let (before, away, back) = (calls(&TURNS), calls(away), calls(&TURNS));
        let seen = FaultCalls { from: "c1".into(), before, there, away, back, ..FaultCalls::default() };
        judge.judge(&[seen], 7.0).wrong()
    };
    let until = [("v1", 95), ("v2", 5), ("v1", 40)];
    assert_eq!(
        wrong(0, &until),
        ["c2 answered c1 5 times in the last 2 s, although the network between c1 and c2 is cut"]
    );
    assert_eq!(wrong(2000, &until), [""; 0], "it was there for 3 s when the last of c2 came");
}

#[test]
fn who_is_answered_by_nobody_does_not_serve_itself() {
    let verdict = judge(PARTITION, &[("v1", 20), ("-", 180)], &TURNS);
    assert_eq!(verdict.wrong(), ["nobody answered c1 in the last 5 s, although the way to c1, c3 is open"]);
    let verdict = judge(PARTITION, &[("v1", 20)], &TURNS);
    assert_eq!(verdict.wrong(), ["no call from c1 ended in the last 5 s"]);
}

#[test]
fn a_dead_istiod_stops_no_call() {
    assert_eq!(judge(ISTIOD, &[("v1", 100), ("v2", 50), ("v3", 50)], &TURNS).wrong(), [""; 0]);
    let verdict = judge(ISTIOD, &[("v1", 199), ("-", 1)], &TURNS);
    assert_eq!(
        verdict.wrong(),
        ["1 of 200 requests from c1 were lost, although istiod of c1 is gone, which none of them needs"]
    );
}

#[test]
fn who_does_not_come_back_is_missed() {
    let verdict = judge(ISTIOD, &[("v1", 200)], &[("v1", 100), ("v2", 100)]);
    assert_eq!(
        verdict.wrong(),
        ["180 s after its end not all is as before for c1: c1, c2, c3 answered then, and c2 in the end"]
    );
}

#[test]
fn what_was_broken_before_says_nothing_of_the_fault() {
    let lab = lab(ISTIOD);
    let seen = FaultCalls { from: "c1".into(), before: calls(&[("-", 100)]), ..FaultCalls::default() };
    let judge = FaultJudge::of(&lab, &lab.faults[0]);
    assert_eq!(judge.judge(&[seen], 10.0).wrong().len(), 1);
    assert_eq!(judge.judge(&[], 10.0).wrong(), ["nobody could call"]);
}

#[test]
fn what_the_scenario_expects_is_held_against_the_figures() {
    let expect = |expect: &str, away: &[(&str, usize)], back: &[(&str, usize)]| {
        let fault = format!("partition: {{ between: [c1, c2], for: 10s, expect: {{ {expect} }} }}");
        judge(&fault, away, back).wrong()
    };
    let three_lost = [("v1", 100), ("-", 3), ("v1", 97)];
    assert_eq!(expect("lost: 3", &three_lost, &TURNS), [""; 0]);
    assert_eq!(expect("lost: 2", &three_lost, &TURNS), ["3 of 200 requests from c1 were lost, and 2 may be"]);
    assert_eq!(expect("lost: { c1: 1% }", &three_lost, &TURNS), ["3 of 200 requests from c1 were lost, and 1% may be"]);
    assert_eq!(expect("answers: { c1: [c1] }", &three_lost, &TURNS), [""; 0]);
    assert_eq!(
        expect("answers: { c1: [c1, c3] }", &three_lost, &TURNS),
        ["c1 was answered by c1 in the last 5 s, and c1, c3 must"]
    );
    assert_eq!(expect("failoverWithin: 6s", &three_lost, &TURNS), [""; 0]);
    assert_eq!(
        expect("failoverWithin: 5s", &three_lost, &TURNS),
        ["requests from c1 were lost until 5.15 s after its begin, and 5 s are allowed"]
    );
    assert_eq!(
        expect("failoverWithin: 5s", &[("v1", 190), ("-", 1), ("v1", 9)], &TURNS),
        ["requests from c1 were lost to the end, and 5 s are allowed"]
    );
    assert_eq!(expect("backWithin: 2s", &three_lost, &TURNS), [""; 0]);
    assert_eq!(
        expect("backWithin: 2s", &three_lost, &[("v1", 80), ("v2", 20), ("v3", 20)]),
        ["all was as before for c1 5 s after its end, and 2 s are allowed"]
    );
}

#[test]
fn who_comes_through_a_gateway_that_is_gone_is_answered_by_nobody() {
    let text = "name: x\nclusters: [c1, c2, c3]\nmesh: { ingressGateway: true }\nchecks: [{ rotation: { through: ingress } }]\nfaults:\n  - gateway: { cluster: c1, gateway: ingress, for: 10s }\n";
    let scenario = parse(text, "x").unwrap_or_else(|e| panic!("{}", crate::scenario::render(&e)));
    let lab = crate::plan::resolve(&scenario).expect("a lab");
    let judge = FaultJudge::of(&lab, &lab.faults[0]);
    assert_eq!(judge.entrances(), ["c1", "c2", "c3"]);
    let seen = |from: &str, away: &[(&str, usize)]| {
        let (before, away, back) = (calls(&TURNS), calls(away), calls(&TURNS));
        let seen =
            FaultCalls { from: from.into(), is_outside: true, before, there: 0, away, back, within: [None, None] };
        judge.judge(&[seen], 10.0).wrong()
    };
    assert_eq!(seen("c1", &[("v1", 4), ("-", 196)]), [""; 0]);
    let answered = seen("c1", &[("-", 150), ("v1", 50)]);
    assert!(answered.len() == 1 && answered[0].starts_with("c1 answered outside at c1 50 times"), "{answered:?}");
    let lost = seen("c2", &[("v1", 199), ("-", 1)]);
    assert!(lost.len() == 1 && lost[0].starts_with("1 of 200 requests from outside at c2 were lost"), "{lost:?}");
}
