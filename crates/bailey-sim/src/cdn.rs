//! Pictures of people and servers, under the paths of Discord's CDN. Nothing is stored: a picture is drawn from its
//! hash, so the same is always the same, and pages that show pictures work without a network.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State as Extract};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use crate::clock::Snowflake;
use crate::shared::Shared;

/// Pictures of people without one, by number.
const DEFAULTS: [[u8; 3]; 6] =
    [[88, 101, 186], [108, 114, 124], [46, 132, 92], [186, 120, 32], [178, 62, 68], [150, 74, 140]];
/// The side of a picture when no size is asked for, in pixels.
const USUAL_SIDE: usize = 128;
/// Sizes that may be asked for, powers of two.
const SIZES: std::ops::RangeInclusive<usize> = 16..=4096;
/// The largest side that is drawn; larger ones get this.
const MOST_SIDE: usize = 512;
/// Fields of a drawn picture in each direction.
const FIELDS: usize = 5;

type Rgb = [u8; 3];

/// The routes of the CDN that need no upload.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/avatars/{user}/{file}", get(avatar))
        .route("/icons/{guild}/{file}", get(icon))
        .route("/embed/avatars/{file}", get(default_avatar))
}

/// The hash of the picture that a person or a server has.
pub(crate) fn hash_of(id: Snowflake) -> String {
    let digest = Sha256::digest(id.to_string().as_bytes());
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The number of the picture that stands for a person without one.
pub(crate) fn default_of(id: Snowflake) -> usize {
    usize::try_from((id.0 >> 22) % DEFAULTS.len() as u64).unwrap_or(0)
}

async fn avatar(
    Extract(shared): Extract<Arc<Shared>>,
    Path((user, file)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let state = shared.state();
    let user = user.parse().ok().and_then(|id: Snowflake| state.users.get(&id));
    let hash = user.and_then(|user| user.avatar.clone());
    drawn(hash.as_deref(), &file, query.as_deref())
}

async fn icon(
    Extract(shared): Extract<Arc<Shared>>,
    Path((guild, file)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let state = shared.state();
    let guild = guild.parse().ok().and_then(|id: Snowflake| state.guilds.get(&id));
    let hash = guild.and_then(|guild| guild.icon.clone());
    drawn(hash.as_deref(), &file, query.as_deref())
}

async fn default_avatar(Path(file): Path<String>, RawQuery(query): RawQuery) -> Response {
    let number = file.strip_suffix(".png").and_then(|number| number.parse::<usize>().ok());
    let colour =
        number.filter(|number| file == format!("{number}.png")).and_then(|number| DEFAULTS.get(number));
    match (colour, side(query.as_deref())) {
        (Some(colour), Some(side)) => picture(side, |x, y| figure(*colour, x, y)),
        _ => nothing(),
    }
}

/// The picture with this hash, if that is what the file is called.
fn drawn(hash: Option<&str>, file: &str, query: Option<&str>) -> Response {
    let wanted = file.strip_suffix(".png");
    match (hash.filter(|hash| wanted == Some(*hash)), side(query)) {
        (Some(hash), Some(side)) => {
            let digest = Sha256::digest(hash.as_bytes());
            picture(side, |x, y| pattern(&digest, x, y))
        }
        _ => nothing(),
    }
}

/// The side that `?size=` asks for; `None` for one Discord does not have.
fn side(query: Option<&str>) -> Option<usize> {
    let mut words = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let Some((_, size)) = words.find(|(name, _)| name == "size") else { return Some(USUAL_SIDE) };
    let size = size.parse::<usize>().ok()?;
    (SIZES.contains(&size) && size.is_power_of_two()).then_some(size.min(MOST_SIDE))
}

/// Five by five fields, the right half like the left, in one colour on a light ground. `x` and `y` go from 0 to 1.
fn pattern(digest: &[u8], x: f64, y: f64) -> Rgb {
    let field = |at: f64| ((at * FIELDS as f64) as usize).min(FIELDS - 1);
    let (column, row) = (field(x), field(y));
    let mirrored = column.min(FIELDS - 1 - column);
    let byte = |index: usize| digest.get(index).copied().unwrap_or(0);
    if byte(3 + row * 3 + mirrored) % 2 == 0 {
        return [236, 238, 242];
    }
    // Dark enough to be seen on the ground, whatever the hash.
    [byte(0) / 2 + 30, byte(1) / 2 + 30, byte(2) / 2 + 30]
}

/// Head and shoulders.
fn figure(ground: Rgb, x: f64, y: f64) -> Rgb {
    let inside = |middle_x: f64, middle_y: f64, radius: f64| {
        (x - middle_x).powi(2) + (y - middle_y).powi(2) < radius.powi(2)
    };
    if inside(0.5, 0.4, 0.17) || inside(0.5, 0.95, 0.32) { [245, 246, 248] } else { ground }
}

fn picture(side: usize, colour: impl Fn(f64, f64) -> Rgb) -> Response {
    let middle = |at: usize| (at as f64 + 0.5) / side as f64;
    let pixels: Vec<u8> =
        (0..side * side).flat_map(|at| colour(middle(at % side), middle(at / side))).collect();
    match encoded(side, &pixels) {
        Ok(bytes) => {
            let headers = [
                (header::CONTENT_TYPE, "image/png"),
                (header::CACHE_CONTROL, "public, max-age=31536000"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            ];
            (headers, bytes).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a picture could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn encoded(side: usize, pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let side = u32::try_from(side).unwrap_or(u32::MAX);
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

fn nothing() -> Response {
    (StatusCode::NOT_FOUND, "Not Found").into_response()
}
