//! Routes Discord has and the simulated one has not: they answer 501, so that nobody takes them for a mistake of
//! their own; the request log shows them.

use axum::extract::Request;

use crate::error::ApiError;

/// Discord's routes as published, a path and its methods a line, `{}` for an id.
const ROUTES: &str = include_str!("known_routes.txt");

/// The answer to a request no route of ours takes.
pub(super) async fn unanswered(request: Request) -> ApiError {
    let path = request.uri().path();
    let methods =
        methods(path.strip_prefix("/api/v10").or_else(|| path.strip_prefix("/api")).unwrap_or(path));
    match methods {
        Some(methods) if methods.contains(&request.method().as_str()) => ApiError::not_simulated(),
        Some(_) => ApiError::method_not_allowed(),
        None => ApiError::not_found(),
    }
}

/// The methods Discord takes on a path; `None` for one it has not.
fn methods(path: &str) -> Option<Vec<&'static str>> {
    let mut found = None;
    for line in ROUTES.lines() {
        let mut words = line.split(' ');
        if words.next().is_some_and(|route| fits(route, path)) {
            found.get_or_insert_with(Vec::new).extend(words);
        }
    }
    found
}

fn fits(route: &str, path: &str) -> bool {
    let (mut route, mut path) = (route.split('/'), path.split('/'));
    loop {
        match (route.next(), path.next()) {
            (None, None) => return true,
            (Some("{}"), Some(given)) if !given.is_empty() => {}
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_known_by_their_shape() {
        assert_eq!(methods("/guilds/1/emojis"), Some(vec!["GET", "POST"]));
        assert_eq!(methods("/guilds/1/nonsense"), None);
        assert_eq!(methods("/guilds/"), None);
        assert!(methods("/users/@me").is_some_and(|methods| methods.contains(&"PATCH")));
    }
}
