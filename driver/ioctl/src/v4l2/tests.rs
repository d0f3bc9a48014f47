extern crate std;

use super::*;
use crate::Direction;
use std::string::ToString;
use vloopback_abi::v4l2::request::{REQUESTS, REQUESTS32, REQUESTS32_TIME64};

#[test]
fn rows_are_where_their_ids_say() {
    for (index, row) in rows().enumerate() {
        assert_eq!(row.id as usize, index);
        assert_eq!(row.id.row(), row);
        assert_eq!(V4l2Request::find(row.lp64.into(), Abi::Lp64), Some(row.id));
        for number in [row.ilp32, row.ilp32_time64] {
            assert_eq!(V4l2Request::find(number.into(), Abi::Ilp32), Some(row.id));
            let same = number == row.lp64;
            assert_eq!(V4l2Request::find(number.into(), Abi::Lp64), same.then_some(row.id));
            assert_eq!(row.shape(number, Abi::Ilp32) == Some(Shape::Wide), same, "{}", row.name);
        }
    }
}

#[test]
fn the_table_is_the_list_of_numbers() {
    let table: std::vec::Vec<_> = rows().map(|row| (row.name, row.lp64)).collect();
    assert_eq!(table, REQUESTS);
    let own = |number: fn(&V4l2Row) -> u32, other: fn(&V4l2Row) -> u32| -> std::vec::Vec<_> {
        let own = rows().filter(|row| number(row) != other(row));
        own.map(|row| (row.name, number(row))).collect()
    };
    assert_eq!(own(|row| row.ilp32, |row| row.lp64), REQUESTS32);
    assert_eq!(own(|row| row.ilp32_time64, |row| row.ilp32), REQUESTS32_TIME64);
}

#[test]
fn only_one_size_is_known() {
    for row in rows() {
        for request in [row.lp64 ^ 0x1_0000, row.lp64 ^ 0x8000_0000, row.lp64 ^ 0x100] {
            assert_eq!(V4l2Request::find(request.into(), Abi::Lp64), None, "{}", row.name);
        }
    }
    for number in [1u64, 3, 6, 7, 105, 192, 255] {
        assert_eq!(V4l2Request::find(0x5600 | number, Abi::Lp64), None);
    }
}

/// The kernel's marks, by the last byte that is copied in.
#[test]
fn what_is_the_programs_to_say() {
    for (id, kept) in [
        (V4l2Request::Querycap, 0),
        (V4l2Request::EnumFmt, 8),
        (V4l2Request::GFmt, 4),
        (V4l2Request::SFmt, 208),
        (V4l2Request::Reqbufs, 17),
        (V4l2Request::Querybuf, 76),
        (V4l2Request::Qbuf, 88),
        (V4l2Request::Expbuf, 16),
        (V4l2Request::GParm, 4),
        (V4l2Request::Enumstd, 4),
        (V4l2Request::Enuminput, 4),
        (V4l2Request::GCtrl, 4),
        (V4l2Request::GTuner, 4),
        (V4l2Request::Querymenu, 8),
        (V4l2Request::EnumFramesizes, 8),
        (V4l2Request::EnumFrameintervals, 16),
        (V4l2Request::GSelection, 28),
        (V4l2Request::CreateBufs, 232),
        (V4l2Request::Streamon, 4),
        (V4l2Request::LogStatus, 0),
    ] {
        assert_eq!(id.row().kept, kept, "{}", id.row().name);
    }
    for row in rows() {
        assert!(row.kept <= row.len(), "{}", row.name);
        if matches!(row.direction, Direction::Plain | Direction::Get) {
            assert_eq!(row.kept, 0, "{}", row.name);
        }
    }
}

#[test]
fn marks_are_the_kernels() {
    use V4l2Request as R;
    let ranked: std::vec::Vec<_> = rows().filter(|row| row.ranked).map(|row| row.id).collect();
    assert_eq!(
        ranked,
        [
            R::SFmt,
            R::Reqbufs,
            R::SFbuf,
            R::Overlay,
            R::Streamon,
            R::Streamoff,
            R::SParm,
            R::SStd,
            R::SCtrl,
            R::STuner,
            R::SAudio,
            R::SInput,
            R::SEdid,
            R::SOutput,
            R::SAudout,
            R::SModulator,
            R::SFrequency,
            R::SCrop,
            R::SJpegcomp,
            R::SPriority,
            R::SExtCtrls,
            R::EncoderCmd,
            R::SHwFreqSeek,
            R::SDvTimings,
            R::CreateBufs,
            R::SSelection,
            R::DecoderCmd,
            R::RemoveBufs,
        ]
    );
    let copied: std::vec::Vec<_> = rows().filter(|row| row.copies_on_error).map(|row| row.id).collect();
    assert_eq!(copied, [R::GExtCtrls, R::SExtCtrls, R::TryExtCtrls]);
}

#[test]
fn refused_rows_say_so() {
    for row in rows() {
        assert_eq!(row.on_input || row.on_output, row.answer != "ENOTTY", "{}", row.name);
    }
    let matrix = SupportMatrix.to_string();
    let served = rows().filter(|row| row.on_input || row.on_output).count();
    // Head and rule, the rows, an empty line, and the names of the rest.
    assert_eq!(matrix.lines().count(), 2 + served + 2);
    assert!(matrix.contains("| VIDIOC_G_INPUT | int | ENOTTY | yes | 0 |"));
    let rest = matrix.lines().last().expect("a last line");
    assert!(rest.contains("VIDIOC_G_FBUF") && rest.contains("VIDIOC_QUERYSTD") && !rest.contains("QUERYCAP"));
}
