//! Stories of a confined process: what it can still do, told by one that tries.

use super::{confinement, limits::Limits};
use crate::config::Config;
use nix::{sys::signal, unistd::Pid};
use std::{
    fs::{self, File},
    io,
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::net::UnixStream,
    process::{Command, Stdio},
    thread,
};

/// Tests are a program of their own: with this word, one of them is the process that tries.
const TRIES: &str = "the-process-that-tries";
const NAME: &str =
    "script::confinement_stories::a_confined_engine_reaches_no_file_socket_or_process";

fn told<T>(what: &str, done: io::Result<T>) {
    match done {
        Ok(_) => println!("try {what}: done"),
        Err(error) => println!("try {what}: refused ({error})"),
    }
}

fn try_everything(parent: i32) {
    confinement::close_inherited();
    // Whatever the system lacks is among what is printed.
    let lacks = confinement::shut().lock(&Limits::of(&Config::default()));
    for lack in lacks.iter().filter(|lack| lack.part.is_required()) {
        println!("try lack of {:?}: done", lack.part);
    }
    told("read a file", File::open("/etc/passwd"));
    told("write a file", File::create("/tmp/of-a-confined-engine"));
    told("list a directory", fs::read_dir("/"));
    told("look at a file", fs::metadata("/etc/passwd"));
    told(
        "remove a file",
        fs::remove_file("/tmp/of-a-confined-engine"),
    );
    told("change the directory", std::env::set_current_dir("/tmp"));
    told("connect", TcpStream::connect(("127.0.0.1", 9)));
    told("listen", TcpListener::bind(("127.0.0.1", 0)));
    told("speak UDP", UdpSocket::bind(("127.0.0.1", 0)));
    told("make a pair of sockets", UnixStream::pair());
    told("start a program", Command::new("/bin/true").spawn());
    told("start a thread", thread::Builder::new().spawn(|| ()));
    let kill = |process: i32| signal::kill(Pid::from_raw(process), None).map_err(io::Error::from);
    told("signal the node", kill(parent));
    told("signal everybody", kill(-1));
    let mut much: Vec<u8> = Vec::new();
    let reserved = much.try_reserve_exact(4 << 30);
    told("take 4 GiB", reserved.map_err(io::Error::other));
    println!("end of tries");
}

#[test]
fn a_confined_engine_reaches_no_file_socket_or_process() {
    let mut args = std::env::args();
    if args.any(|arg| arg == TRIES) {
        try_everything(i32::try_from(std::os::unix::process::parent_id()).expect("an id"));
        std::process::exit(0);
    }
    let tried = Command::new("/proc/self/exe")
        .args(["--exact", "--nocapture", NAME, TRIES])
        .stdin(Stdio::null())
        .output()
        .expect("started");
    let told = String::from_utf8_lossy(&tried.stdout);
    let tries: Vec<&str> = told
        .lines()
        .filter_map(|line| Some(line.split_once("try ")?.1))
        .collect();
    assert!(told.contains("end of tries"), "{tried:?}");
    assert_eq!(tries.len(), 15, "{told}");
    for what in tries {
        assert!(what.contains(": refused ("), "{what}");
    }
}
