#![doc = include_str!("../README.md")]

use std::ffi::{c_char, c_int, c_void, CStr};
use std::ptr;

use rusqlite::{ffi, Connection, Error, Result};

type Init = unsafe extern "C" fn(*mut c_void, *mut *mut c_char, *const c_void) -> c_int;

// SQLite's own functions are declared here as C has them, since their types in Rust differ from version to version of
// libsqlite3-sys.
extern "C" {
    fn sqlite3_safetensors_init(db: *mut c_void, message: *mut *mut c_char, api: *const c_void) -> c_int;
    fn sqlite3_auto_extension(init: Init) -> c_int;
    fn sqlite3_cancel_auto_extension(init: Init) -> c_int;
    fn sqlite3_free(memory: *mut c_void);
}

/// Registers all tables and functions on this connection. A second call changes nothing.
///
/// # Errors
///
/// If the SQLite that is linked is older than 3.39, or memory runs out.
pub fn load(db: &Connection) -> Result<()> {
    let mut message = ptr::null_mut();
    // SAFETY: the handle is open as long as `db` is borrowed. With SQLITE_CORE the last argument is not used.
    let code = unsafe { sqlite3_safetensors_init(db.handle().cast(), &mut message, ptr::null()) };
    let text = take(message);
    check(code, text)
}

/// Registers all tables and functions on every connection that this process opens from now on, until
/// [`cancel_auto_extension`].
///
/// # Errors
///
/// If memory runs out.
pub fn auto_extension() -> Result<()> {
    // SAFETY: SQLite calls the function with these arguments.
    check(unsafe { sqlite3_auto_extension(sqlite3_safetensors_init) }, None)
}

/// Undoes [`auto_extension`]. Returns whether there was anything to undo.
pub fn cancel_auto_extension() -> bool {
    // SAFETY: SQLite only compares the pointer.
    unsafe { sqlite3_cancel_auto_extension(sqlite3_safetensors_init) == 1 }
}

/// The text of a message of SQLite's, whose memory it frees.
fn take(message: *mut c_char) -> Option<String> {
    if message.is_null() {
        return None;
    }
    // SAFETY: the function that set it ended it with a zero, and leaves it to us.
    unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        sqlite3_free(message.cast());
        Some(text)
    }
}

fn check(code: c_int, text: Option<String>) -> Result<()> {
    match code {
        ffi::SQLITE_OK => Ok(()),
        _ => Err(Error::SqliteFailure(ffi::Error::new(code), text)),
    }
}
