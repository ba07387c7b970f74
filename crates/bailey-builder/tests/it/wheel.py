"""Writes a zip file to standard output from a JSON list of entries on standard input: `name`, then `text`,
`zeros` (a number of bytes) or `link` (where to), and `mode`. Any name goes. `lies`: say this size."""
import io, json, stat, struct, sys, warnings, zipfile

warnings.simplefilter("ignore")
result = io.BytesIO()
lies = []
with zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as archive:
    for entry in json.load(sys.stdin):
        info = zipfile.ZipInfo(entry["name"])
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = (stat.S_IFREG | entry.get("mode", 0o644)) << 16
        data = entry.get("text", "").encode()
        if "link" in entry:
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            data = entry["link"].encode()
        with archive.open(info, "w") as file:
            for start in range(0, entry.get("zeros", 0), 1 << 20):
                file.write(bytes(min(1 << 20, entry["zeros"] - start)))
            file.write(data)
        if "lies" in entry:
            lies.append((info.file_size, entry["lies"]))
bytes_ = result.getvalue()
for truth, lie in lies:
    # In the header of the file and in the directory.
    bytes_ = bytes_.replace(struct.pack("<I", truth), struct.pack("<I", lie))
sys.stdout.buffer.write(bytes_)
