//! A film too large for one request: a minute of video that does not compress well, with audio, 2 Mbit/s.

use std::process::Command;

/// Makes a film; each `seed` gives another.
pub(crate) fn reel(seed: u32) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.mp4");
    let pictures = format!("testsrc2=size=640x360:rate=25,noise=alls=20:allf=t:all_seed={seed}");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", &pictures, "-f", "lavfi", "-i", "sine=frequency=440", "-t", "60"])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "2M", "-minrate", "2M", "-maxrate", "2M"])
        .args(["-bufsize", "2M", "-g", "50", "-pix_fmt", "yuv420p", "-threads", "1", "-flags", "+bitexact"])
        .args(["-c:a", "aac", "-b:a", "128k", "-movflags", "+faststart"])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    std::fs::read(path).unwrap()
}
