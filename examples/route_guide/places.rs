//! What stands where: lighthouses between Galicia and Ireland.

use temaki_protos::routeguide::Feature;

use crate::geo::point;

/// Name, degrees north, degrees east; from south to north.
const LIGHTHOUSES: [(&str, f64, f64); 14] = [
    ("Torre de Hércules", 43.3859, -8.4065),
    ("Cabo Mayor", 43.4901, -3.7905),
    ("Cordouan", 45.5863, -1.1734),
    ("Ar-Men", 48.0504, -4.9986),
    ("La Jument", 48.4222, -5.1341),
    ("Kéréon", 48.4383, -5.0264),
    ("Créac'h", 48.4592, -5.1294),
    ("Les Roches-Douvres", 49.1063, -2.8147),
    ("Casquets", 49.7222, -2.3772),
    ("Bishop Rock", 49.8728, -6.4453),
    ("Wolf Rock", 49.9453, -5.8084),
    ("Longships", 50.0669, -5.7469),
    ("Eddystone", 50.1800, -4.2650),
    ("Fastnet", 51.3892, -9.6031),
];

pub fn all() -> Vec<Feature> {
    let feature = |(name, latitude, longitude): (&str, f64, f64)| Feature {
        name: name.to_owned(),
        location: Some(point(latitude, longitude)),
    };
    LIGHTHOUSES.map(feature).into()
}
