//! Points, rectangles and distances. The service counts in degrees multiplied by ten million.

use temaki_protos::routeguide::{Point, Rectangle};

const SCALE: f64 = 1e7;

/// The point at these degrees.
pub fn point(latitude: f64, longitude: f64) -> Point {
    Point {
        latitude: (latitude * SCALE).round() as i32,
        longitude: (longitude * SCALE).round() as i32,
    }
}

/// A point as people read it.
pub fn show(point: Point) -> String {
    let degrees = |scaled: i32| f64::from(scaled) / SCALE;
    let (latitude, longitude) = (degrees(point.latitude), degrees(point.longitude));
    format!("{latitude:.4}, {longitude:.4}")
}

/// Whether the rectangle holds the point, edges included. The corners may be any two that are opposite; one that was not sent is
/// where the axes cross, as for all of protobuf's defaults.
pub fn contains(rectangle: Rectangle, point: Point) -> bool {
    let (a, b) = (
        rectangle.lo.unwrap_or_default(),
        rectangle.hi.unwrap_or_default(),
    );
    let between = |a: i32, b: i32, x: i32| (a.min(b)..=a.max(b)).contains(&x);
    between(a.latitude, b.latitude, point.latitude)
        && between(a.longitude, b.longitude, point.longitude)
}

/// Metres from one point to another along a great circle (the haversine formula on a sphere).
pub fn distance(from: Point, to: Point) -> f64 {
    const EARTH_RADIUS: f64 = 6_371_000.0;
    let radians = |scaled: i32| (f64::from(scaled) / SCALE).to_radians();
    let (lat1, lat2) = (radians(from.latitude), radians(to.latitude));
    let half_lat = (lat2 - lat1) / 2.0;
    let half_lon = (radians(to.longitude) - radians(from.longitude)) / 2.0;
    let a = half_lat.sin().powi(2) + lat1.cos() * lat2.cos() * half_lon.sin().powi(2);
    2.0 * EARTH_RADIUS * a.sqrt().min(1.0).asin()
}
