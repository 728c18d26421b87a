//! Draws latencies over time as SVG text. All its colours stand out from light and from dark backgrounds.

use std::fmt::Write;

/// Size of the drawing, and the plot area within it.
const SIZE: [f64; 2] = [860.0, 380.0];
const LEFT: f64 = 62.0;
const RIGHT: f64 = 760.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 330.0;

/// Range of the logarithmic latency scale, in milliseconds.
const LEAST: f64 = 0.1;
const GREATEST: f64 = 10_000.0;

/// A curve: points of seconds and milliseconds.
#[derive(Debug)]
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    pub(crate) of_hundred: usize,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Draws `curves`. `times` are the start of the step, its end, and the end of all, in seconds. `rate` is the request
/// rate before the step.
pub(crate) fn draw(curves: &[Curve], times: [f64; 3], rate: f64) -> String {
    let [step, back, end] = times;
    let highest = curves.iter().flat_map(|curve| &curve.points).map(|(_, wait)| *wait).fold(1.0, f64::max);
    let top = 10_f64.powf(highest.log10().ceil()).min(GREATEST);
    let x = |time: f64| LEFT + (RIGHT - LEFT) * time / end;
    let y = |wait: f64| BOTTOM - (BOTTOM - TOP) * (wait.clamp(LEAST, top) / LEAST).log10() / (top / LEAST).log10();
    let mut svg = String::from(STYLE);
    let _ = writeln!(
        svg,
        "<rect class=\"step\" x=\"{:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" class=\"title\">Latency under a step to ten times the rate, and back</text>\n\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.0} requests/s</text>\n\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{rate:.0} requests/s</text>",
        x(step),
        x(back) - x(step),
        BOTTOM - TOP,
        x(f64::midpoint(step, back)),
        TOP + 16.0,
        rate * 10.0,
        x(step / 2.0),
        TOP + 16.0,
    );
    axes(&mut svg, top, end, &x, &y);
    for curve in curves {
        path(&mut svg, curve, &x, &y);
    }
    legend(&mut svg, curves);
    svg.push_str("</svg>\n");
    svg
}

fn axes(svg: &mut String, top: f64, end: f64, x: &impl Fn(f64) -> f64, y: &impl Fn(f64) -> f64) {
    let mut wait = LEAST;
    while wait <= top * 1.01 {
        let _ = writeln!(
            svg,
            "<path class=\"line\" d=\"M{LEFT} {at:.1}H{RIGHT}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{wait} ms</text>",
            LEFT - 6.0,
            y(wait) + 4.0,
            at = y(wait),
            wait = (wait * 10.0).round() / 10.0,
        );
        wait *= 10.0;
    }
    let mut time = 0.0;
    while time <= end {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{time:.0} s</text>",
            x(time),
            BOTTOM + 18.0
        );
        time += end / 6.0;
    }
}

fn path(svg: &mut String, curve: &Curve, x: &impl Fn(f64) -> f64, y: &impl Fn(f64) -> f64) {
    let places: Vec<String> =
        curve.points.iter().map(|(time, wait)| format!("{:.1} {:.1}", x(*time), y(*wait))).collect();
    let _ = writeln!(svg, "<path class=\"{}\" d=\"M{}\"/>", class(curve), places.join("L"));
}

fn legend(svg: &mut String, curves: &[Curve]) {
    for (at, curve) in curves.iter().enumerate() {
        let y = TOP + 14.0 + 22.0 * at as f64;
        let x = RIGHT + 10.0;
        let _ = writeln!(
            svg,
            "<path class=\"{}\" d=\"M{x} {y}h18\"/><text x=\"{}\" y=\"{}\">{} p{}</text>",
            class(curve),
            x + 22.0,
            y + 4.0,
            curve.name,
            curve.of_hundred
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{:.1}\">open loop: from when a request was due to the last byte of its answer; each point a quarter of a second</text>",
        SIZE[1] - 10.0
    );
}

fn class(curve: &Curve) -> String {
    format!("{} p{}", curve.name.to_lowercase(), curve.of_hundred)
}

const STYLE: &str = r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 380" role="img" aria-label="Latency of Afflux and nginx under a step to ten times the rate">
<style>
text { font: 12px sans-serif; fill: #777 }
.title { font-size: 15px; font-weight: bold }
path { fill: none; stroke-width: 2; stroke-linejoin: round }
.line { stroke: #8886; stroke-width: 1 }
.step { fill: #8882 }
.afflux { stroke: #d9601a }
.nginx { stroke: #2f7fd1 }
.p50 { stroke-dasharray: 2 3 }
</style>
"#;
