//! Builds MPEG-TS segments (ISO/IEC 13818-1): H.264 and AAC, one program, whole access units.
//!
//! ```text
//! segment   │ PAT │ PMT │ unit │ unit │ …                  188-byte packets; units in order of decode time
//! picture   │ PES header │ AUD │ SPS PPS, if a sync sample │ NAL units behind start codes │      PCR in its first packet
//! sound     │ PES header │ ADTS header, frame │ ADTS header, frame │ …       100 ms at most     PCR where it is alone
//! clock     a packet with only a PCR, where pictures are more than 100 ms apart
//! ```
//! A start code is as long as the NAL unit's length field that it replaces (4 bytes). So the index alone gives the
//! length of every unit and segment, the packets per PID, and the continuity counters at the start of the next segment:
//! any segment, and any range of it, can be built without the others. With shorter length fields (1 or 2 bytes), a
//! segment must be built before its length is known, and its last picture is spread over more packets so that the
//! counters of the next segment begin at 0.

mod adts;
mod chunks;
mod count;
mod fit;
mod packets;
mod pes;
mod psi;
mod segment;
mod transport;
mod units;
mod write;

pub use chunks::Chunks;
pub use fit::{Unfit, carries, fit};
pub use packets::CHUNK;
pub use segment::{Outline, PacketWindow, Packetized};
pub use transport::Transport;
