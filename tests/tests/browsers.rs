//! Chromium and Firefox: both cameras are there by name, and their pictures are those that are pushed, looked at by
//! a page that the test serves. Both browsers and another client stream from the same outputs at once.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use vloopback_tests::{Env, Job, Running, have, skip};

/// Far more than a browser takes to start and to show some frames.
const LONG: Duration = Duration::from_secs(300);
/// Frames that a page sees before it looks at a pixel.
const PAGE: &str = r#"<!doctype html><title>cameras</title><script>
const tell = told => fetch('/told', { method: 'POST', body: JSON.stringify(told) });
(async () => {
    const all = {};
    // Labels are told once a camera was allowed.
    const first = await navigator.mediaDevices.getUserMedia({ video: true });
    first.getTracks().forEach(track => track.stop());
    for (const device of await navigator.mediaDevices.enumerateDevices()) {
        if (device.kind != 'videoinput')
            continue;
        const stream = await navigator.mediaDevices.getUserMedia({ video: { deviceId: { exact: device.deviceId } } });
        const video = document.createElement('video');
        video.muted = true;
        video.srcObject = stream;
        await video.play();
        for (let frames = 0; frames < 10; frames++)
            await new Promise(then => video.requestVideoFrameCallback(then));
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
        const context = canvas.getContext('2d');
        context.drawImage(video, 0, 0);
        const pixel = context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data;
        all[device.label] = { width: canvas.width, height: canvas.height, pixel: Array.from(pixel).slice(0, 3) };
        stream.getTracks().forEach(track => track.stop());
    }
    tell(all);
})().catch(error => tell({ error: `${error.name}: ${error.message}` }));
</script>"#;

/// Answers one request; what the page told, if it was that.
fn answer(stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.to_ascii_lowercase());
    }
    let head = lines.first()?.clone();
    let length =
        lines.iter().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let page = if head.starts_with("get / ") { PAGE } else { "" };
    let length = page.len();
    let mut stream = stream;
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}")
        .ok()?;
    head.starts_with("post /told ").then(|| String::from_utf8_lossy(&body).into_owned())
}

/// Serves the page, until it has told something.
fn serve() -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("its number").port();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if let Some(body) = answer(&stream) {
                let _ = tell.send(body);
                return;
            }
        }
    });
    (port, told)
}

/// A colour: as browsers show it, and as films have it (BT.601, Y, Cb, Cr).
#[derive(Debug, Clone, Copy)]
struct Colour {
    rgb: [u8; 3],
    yuv: [u8; 3],
}

const RED: Colour = Colour { rgb: [200, 40, 40], yuv: [91, 104, 198] };
const BLUE: Colour = Colour { rgb: [40, 60, 200], yuv: [76, 192, 109] };

/// Pushes a film of one colour for as long as it lives.
fn push(env: &Env, index: u32, colour: Colour) -> Running {
    let path = env.dir().join(format!("{index}.y4m"));
    let mut film = b"YUV4MPEG2 W640 H480 F30:1 Ip A1:1 C420\n".to_vec();
    for _ in 0..30 {
        film.extend(b"FRAME\n");
        let planes = colour.yuv.iter().zip([640 * 480, 320 * 240, 320 * 240]);
        planes.for_each(|(&value, len)| film.extend(std::iter::repeat_n(value, len)));
    }
    std::fs::write(&path, film).expect("a film");
    let path = path.to_str().expect("a path").to_owned();
    let words = ["push", &index.to_string(), "--loop", "--input", &path];
    env.own("vloopback").env("VLOOPBACK_SOCKET", env.socket()).args(words).start()
}

/// Whether a page saw what was pushed.
fn judge(told: &Value, colours: [Colour; 2]) -> Result<(), String> {
    for (index, colour) in colours.iter().enumerate() {
        let seen = &told[format!("Loopback video device {}", 2 * index + 1)];
        if (seen["width"].as_u64(), seen["height"].as_u64()) != (Some(640), Some(480)) {
            return Err(format!("camera {index}: {told}"));
        }
        for (channel, pushed) in colour.rgb.iter().enumerate() {
            // Twice through YUV, and through the browser's own idea of colours.
            let value = seen["pixel"][channel].as_i64().unwrap_or(-1);
            if (value - i64::from(*pushed)).abs() > 40 {
                return Err(format!("camera {index} has to be {colour:?}: {told}"));
            }
        }
    }
    Ok(())
}

fn browse(env: &Env, browser: &str, port: u16) -> Job {
    let home = env.dir().join(browser);
    let profile = home.join("profile");
    std::fs::create_dir_all(&profile).expect("a profile");
    let url = format!("http://127.0.0.1:{port}/");
    let profile = profile.to_str().expect("a path");
    let own = format!("--user-data-dir={profile}");
    let command: Vec<&str> = match browser {
        "chromium" => vec![
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--use-fake-ui-for-media-stream",
            "--autoplay-policy=no-user-gesture-required",
            &own,
            &url,
        ],
        _ => {
            let settings = [
                ("media.navigator.permission.disabled", "true"),
                ("media.autoplay.default", "0"),
                ("app.update.enabled", "false"),
                ("browser.aboutwelcome.enabled", "false"),
                ("browser.shell.checkDefaultBrowser", "false"),
                ("datareporting.policy.dataSubmissionEnabled", "false"),
                ("network.captive-portal-service.enabled", "false"),
                ("network.connectivity-service.enabled", "false"),
            ];
            let text: String =
                settings.iter().map(|(name, value)| format!("user_pref(\"{name}\", {value});\n")).collect();
            std::fs::write(home.join("profile/user.js"), text).expect("the settings");
            vec![browser, "--headless", "--no-remote", "--profile", profile, &url]
        }
    };
    env.run(&command).env("HOME", &home).env("XDG_RUNTIME_DIR", &home)
}

#[test]
fn browsers_see_what_is_pushed() {
    let browsers = ["chromium", "firefox-esr"];
    if let Some(missing) = browsers.iter().find(|browser| !have(browser)) {
        skip!("{missing} is not installed");
    }
    let env = Env::new(2);
    let colours = [RED, BLUE];
    let _pushers = [push(&env, 0, colours[0]), push(&env, 1, colours[1])];
    env.until("both pipes are fed", |pipes| pipes.iter().all(|pipe| pipe.input_status == "W"));
    // A third program streams along all the time.
    let watch = ["--device", &env.pipe(0).output, "--io", "mmap"];
    let _watcher = env.program("v4l2_client", &watch).start();
    let running = browsers.map(|browser| {
        let (port, told) = serve();
        (browser, browse(&env, browser, port).start(), told)
    });
    for (browser, running, told) in running {
        let told = told
            .recv_timeout(LONG)
            .unwrap_or_else(|_| panic!("{browser} tells nothing: {}", running.stderr()));
        let told: Value = serde_json::from_str(&told).expect("JSON");
        assert_eq!(judge(&told, colours), Ok(()), "{browser}");
        // Negative run: the other camera's colours.
        assert!(judge(&told, [colours[1], colours[0]]).is_err(), "{browser}: {told}");
    }
}
