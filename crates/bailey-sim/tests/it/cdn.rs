//! Pictures under the paths of the CDN.

use bailey_sim::World;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::Sim;

struct Picture {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

/// The picture at a path, or the status that says there is none.
async fn picture(sim: &Sim, path: &str) -> Result<Picture, StatusCode> {
    let response = sim.rest.http.get(format!("{}{path}", sim.simulator.http_base())).send().await.unwrap();
    if response.status() != StatusCode::OK {
        return Err(response.status());
    }
    assert_eq!(response.headers()["content-type"], "image/png");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    let bytes = response.bytes().await.unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes[..])).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    Ok(Picture { width: frame.width, height: frame.height, pixels })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn people_and_servers_have_the_pictures_their_hashes_name() {
    let sim = Sim::with(World::default_world().with_pictures()).await;
    let other = Sim::with(World::default_world().with_pictures()).await;
    let world = World::default_world();
    let mut seen = Vec::new();
    for person in &world.people {
        let user = sim.rest.get(&format!("/users/{}", person.id)).await.1;
        let path = format!("/avatars/{}/{}.png", person.id, text(&user["avatar"]));
        let drawn = picture(&sim, &path).await.unwrap();
        assert_eq!((drawn.width, drawn.height), (128, 128));
        assert_eq!(drawn.pixels, picture(&other, &path).await.unwrap().pixels, "drawn alike everywhere");
        // Left and right are alike.
        let row = &drawn.pixels[..128 * 3];
        assert!((0..128).all(|x| row[x * 3..][..3] == row[(127 - x) * 3..][..3]));
        assert!(!seen.contains(&drawn.pixels), "{} looks like somebody else", person.name);
        seen.push(drawn.pixels);
    }
    let guild = sim.rest.get(&format!("/guilds/{}", sim.guild())).await.1;
    let path = format!("/icons/{}/{}.png", sim.guild(), text(&guild["icon"]));
    for (size, side) in [("16", 16), ("64", 64), ("512", 512), ("4096", 512)] {
        assert_eq!(picture(&sim, &format!("{path}?size={size}")).await.unwrap().width, side);
    }
    assert!(sim.rest.get("/users/@me").await.1["avatar"].is_string());
    // Whoever comes later has one too, and the login shows it.
    let dave = sim.control.join(&bailey_sim::Membership { name: "dave".to_owned(), guild: None }).unwrap();
    let dave = sim.rest.get(&format!("/users/{}", dave.user_id.unwrap())).await.1;
    let path = format!("/avatars/{}/{}.png", text(&dave["id"]), text(&dave["avatar"]));
    assert!(picture(&sim, &path).await.is_ok());
}

#[tokio::test]
async fn without_pictures_there_are_the_usual_six() {
    let sim = Sim::start().await;
    assert_eq!(sim.rest.get("/users/@me").await.1["avatar"], json!(null));
    assert_eq!(sim.rest.get(&format!("/guilds/{}", sim.guild())).await.1["icon"], json!(null));
    let mut seen = Vec::new();
    for number in 0..6 {
        let drawn = picture(&sim, &format!("/embed/avatars/{number}.png?size=32")).await.unwrap();
        assert_eq!(drawn.width, 32);
        assert!(!seen.contains(&drawn.pixels));
        seen.push(drawn.pixels);
    }
}

#[tokio::test]
async fn anything_else_is_not_found() {
    let sim = Sim::with(World::default_world().with_pictures()).await;
    let (alice, bob) = (World::default_world().people[0].id, World::default_world().people[1].id);
    let hash = text(&sim.rest.get(&format!("/users/{alice}")).await.1["avatar"]).to_owned();
    for path in [
        format!("/avatars/{bob}/{hash}.png"),
        format!("/avatars/{alice}/{hash}.webp"),
        format!("/avatars/{alice}/{hash}"),
        format!("/avatars/{alice}/none.png"),
        format!("/avatars/nobody/{hash}.png"),
        format!("/avatars/1/{hash}.png"),
        format!("/avatars/{alice}/{hash}.png?size=100"),
        format!("/avatars/{alice}/{hash}.png?size=8192"),
        format!("/avatars/{alice}/{hash}.png?size=large"),
        format!("/icons/{}/{hash}.png", sim.guild()),
        "/embed/avatars/6.png".to_owned(),
        "/embed/avatars/01.png".to_owned(),
        "/embed/avatars/x.png".to_owned(),
    ] {
        assert_eq!(picture(&sim, &path).await.err(), Some(StatusCode::NOT_FOUND), "{path}");
    }
}
