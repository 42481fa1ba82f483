//! Weights in files beside the model: read when the path is right, refused when it leads elsewhere.

#![allow(clippy::unwrap_used, reason = "a test stops where it goes wrong")]

#[path = "onnx/build.rs"]
mod build;

use std::path::Path;

use build::*;
use lathe_compiler::onnx::proto::*;
use lathe_compiler::onnx::{OnnxFile, dtype};
use prost::Message;

fn entry(key: &str, value: &str) -> StringStringEntryProto {
    StringStringEntryProto { key: key.into(), value: value.into() }
}

fn external(entries: &[(&str, &str)]) -> ModelProto {
    with_tensor(TensorProto {
        data_type: dtype::UINT8,
        dims: vec![4],
        data_location: 1,
        external_data: entries.iter().map(|(key, value)| entry(key, value)).collect(),
        ..Default::default()
    })
}

fn read(folder: &Path, model: &ModelProto) -> Result<Vec<u8>, String> {
    let path = folder.join("m.onnx");
    std::fs::write(&path, model.encode_to_vec()).unwrap();
    let file = OnnxFile::open(&path).unwrap();
    let data = file.tensor(&file.graph().initializer[0]);
    data.map(|data| data.bytes.to_vec()).map_err(|problem| problem.message)
}

#[test]
fn inside_the_folder_only() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("model");
    std::fs::create_dir_all(folder.join("sub")).unwrap();
    std::fs::write(outer.path().join("secret"), [9; 64]).unwrap();
    std::fs::write(folder.join("data"), [0, 1, 2, 3, 4, 5, 6, 7]).unwrap();
    std::fs::write(folder.join("sub/data"), [7; 8]).unwrap();
    let get = |entries: &[(&str, &str)]| read(&folder, &external(entries));

    assert_eq!(get(&[("location", "data")]), Ok(vec![0, 1, 2, 3]));
    assert_eq!(get(&[("location", "./data"), ("offset", "4"), ("length", "4")]), Ok(vec![4, 5, 6, 7]));
    assert_eq!(get(&[("location", "sub/data"), ("checksum", "nonsense")]), Ok(vec![7; 4]));

    let secret = outer.path().join("secret").display().to_string();
    for (entries, word) in [
        (&[("location", "../secret")][..], "without `..`"),
        (&[("location", "sub/../../secret")], "without `..`"),
        (&[("location", secret.as_str())], "must be relative"),
        (&[("location", "")], "must be relative"),
        (&[("location", "sub")], "not a regular file"),
        (&[("location", "none")], "No such file"),
        (&[("location", "a\0b")], "external data in"),
        (&[], "no location"),
        (&[("location", "data"), ("location", "data")], "twice"),
        (&[("location", "data"), ("offset", "5")], "needs 4 bytes at offset 5 of \"data\", which has 8 bytes"),
        (&[("location", "data"), ("offset", "18446744073709551615")], "needs 4 bytes at offset"),
        (&[("location", "data"), ("offset", "-1")], "not a number of bytes"),
        (&[("location", "data"), ("length", "5")], "is 5 bytes long, shape and type need 4"),
    ] {
        let error = get(entries).unwrap_err();
        assert!(error.contains(word), "{entries:?}: {error}");
    }
    let file = OnnxFile::from_bytes(external(&[("location", "data")]).encode_to_vec().into()).unwrap();
    let error = file.tensor(&file.graph().initializer[0]).unwrap_err();
    assert!(error.message.contains("not read from a folder"), "{error}");
}

#[test]
fn a_small_file_does_not_stand_for_large_weights() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("data"), [0; 64]).unwrap();
    let mut model = external(&[("location", "data")]);
    let tensor = model.graph.as_ref().unwrap().initializer[0].clone();
    let tensors = |count| (0..count).map(|i| TensorProto { name: format!("w{i}"), ..tensor.clone() }).collect();
    model.graph.as_mut().unwrap().initializer = tensors(64 * 8 / 4);
    assert!(read(folder.path(), &model).is_ok());
    model.graph.as_mut().unwrap().initializer = tensors(1000);
    std::fs::write(folder.path().join("m.onnx"), model.encode_to_vec()).unwrap();
    let error = OnnxFile::open(&folder.path().join("m.onnx")).unwrap_err().to_string();
    assert!(error.contains("need 4000 bytes of external data \"data\", which has 64 bytes"), "{error}");
}

#[cfg(unix)]
#[test]
fn symbolic_links_are_followed_and_checked() {
    use std::os::unix::fs::symlink;
    let outer = tempfile::tempdir().unwrap();
    let (folder, cache) = (outer.path().join("model"), outer.path().join("cache"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::create_dir_all(&cache).unwrap();
    std::fs::write(folder.join("data"), [1; 4]).unwrap();
    std::fs::write(cache.join("blob"), [2; 4]).unwrap();
    symlink("data", folder.join("inside")).unwrap();
    symlink("../cache/blob", folder.join("outside")).unwrap();
    symlink("../cache", folder.join("folder")).unwrap();
    assert_eq!(read(&folder, &external(&[("location", "inside")])), Ok(vec![1; 4]));
    for location in ["outside", "folder/blob"] {
        let error = read(&folder, &external(&[("location", location)])).unwrap_err();
        assert!(error.contains("outside the model's folder"), "{error}");
    }

    // A download cache: the model is a link into the folder that has its data too.
    let model = external(&[("location", "outside")]);
    std::fs::write(cache.join("model-blob"), model.encode_to_vec()).unwrap();
    symlink("../cache/model-blob", folder.join("linked.onnx")).unwrap();
    let file = OnnxFile::open(&folder.join("linked.onnx")).unwrap();
    assert_eq!(file.tensor(&file.graph().initializer[0]).unwrap().bytes, vec![2; 4]);
}
