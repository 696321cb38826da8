package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"golang.org/x/sys/unix"
)

// unpacker writes the layers of an image below `root`, one after the other. `places` is where the
// folders of the layers are in truth, as long as no link has changed.
type unpacker struct {
	root    string
	kept    kept
	written map[string]bool
	folders map[string]time.Time
	places  map[string]string
}

func unpack(image v1.Image, root string, kept kept) error {
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	unpacker := &unpacker{
		root: root, kept: kept, folders: map[string]time.Time{}, places: map[string]string{},
	}
	for _, layer := range layers {
		if err := unpacker.layer(layer); err != nil {
			return err
		}
	}
	for path, modified := range unpacker.folders {
		if err := os.Chtimes(path, modified, modified); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (u *unpacker) layer(layer v1.Layer) error {
	content, err := uncompressed(layer)
	if err != nil {
		return err
	}
	defer content.Close()
	u.written = map[string]bool{}
	for reader := tar.NewReader(content); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := u.entry(header, reader); err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
	}
}

func (u *unpacker) entry(header *tar.Header, content io.Reader) error {
	name := filepath.Join("/", header.Name)
	if name == "/" || u.kept.covers(name) {
		return nil
	}
	path, err := u.place(name)
	if err != nil {
		return err
	}
	folder, base := filepath.Dir(path), filepath.Base(path)
	if base == opaque {
		return u.empty(folder)
	}
	if hidden, found := strings.CutPrefix(base, whiteout); found {
		return u.remove(filepath.Join(folder, hidden))
	}
	u.written[path] = true
	if err := u.write(path, header, content); err != nil {
		return err
	}
	return u.describe(path, header)
}

// place is where the entry goes: links of the image above it lead nowhere outside of the root. The
// folder is made if need be.
func (u *unpacker) place(name string) (string, error) {
	folder := filepath.Dir(name)
	place, known := u.places[folder]
	if !known {
		var err error
		if place, err = resolve(u.root, folder); err != nil {
			return "", err
		}
		if err := os.MkdirAll(place, 0o755); err != nil {
			return "", err
		}
		u.places[folder] = place
	}
	return filepath.Join(place, filepath.Base(name)), nil
}

func (u *unpacker) remove(path string) error {
	clear(u.places)
	return u.kept.remove(path)
}

// empty takes away what lower layers have put into a folder.
func (u *unpacker) empty(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		if path := filepath.Join(folder, entry.Name()); !u.written[path] {
			if err := u.remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (u *unpacker) write(path string, header *tar.Header, content io.Reader) error {
	old, err := os.Lstat(path)
	if err == nil && !(old.IsDir() && header.Typeflag == tar.TypeDir) {
		if err := u.remove(path); err != nil {
			return err
		}
	}
	switch header.Typeflag {
	case tar.TypeDir:
		u.folders[path] = header.ModTime
		return os.MkdirAll(path, 0o755)
	case tar.TypeReg:
		return writeFile(path, content)
	case tar.TypeSymlink:
		return os.Symlink(header.Linkname, path)
	case tar.TypeLink:
		target, err := u.place(filepath.Join("/", header.Linkname))
		if err != nil {
			return err
		}
		return os.Link(target, path)
	case tar.TypeFifo:
		return unix.Mkfifo(path, uint32(header.Mode))
	}
	warn("Leaving out %s, which is a device", path)
	return nil
}

// uncompressed is quicker than the layer's own way for what is usual, and that for all else.
func uncompressed(layer v1.Layer) (io.ReadCloser, error) {
	if kind, err := layer.MediaType(); err != nil || kind != types.OCILayer && kind != types.DockerLayer {
		return layer.Uncompressed()
	}
	packed, err := layer.Compressed()
	if err != nil {
		return nil, err
	}
	content, err := gzip.NewReader(packed)
	if err != nil {
		return nil, errors.Join(err, packed.Close())
	}
	return &unpacked{Reader: content, packed: packed}, nil
}

type unpacked struct {
	*gzip.Reader
	packed io.Closer
}

func (u *unpacked) Close() error {
	return errors.Join(u.Reader.Close(), u.packed.Close())
}

func writeFile(path string, content io.Reader) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

// describe sets the owner first: to do so takes set-user-id bits and capabilities away.
func (u *unpacker) describe(path string, header *tar.Header) error {
	switch header.Typeflag {
	case tar.TypeSymlink:
		return os.Lchown(path, header.Uid, header.Gid)
	case tar.TypeDir, tar.TypeReg, tar.TypeFifo:
	default:
		return nil
	}
	if err := os.Lchown(path, header.Uid, header.Gid); err != nil {
		return err
	}
	if err := os.Chmod(path, header.FileInfo().Mode()); err != nil {
		return err
	}
	if value, found := header.PAXRecords[inHeader]; found {
		if err := unix.Lsetxattr(path, capabilities, []byte(value), 0); err != nil {
			return err
		}
	}
	return os.Chtimes(path, header.ModTime, header.ModTime)
}

// resolve follows the links of a path as if `root` were the root of the file system. What is not
// there stays as it is named.
func resolve(root, path string) (string, error) {
	left := strings.Split(strings.Trim(filepath.Clean(path), "/"), "/")
	found := "/"
	for followed := 0; len(left) > 0; {
		next := filepath.Join(found, left[0])
		left = left[1:]
		target, err := os.Readlink(filepath.Join(root, next))
		if err != nil {
			found = next
			continue
		}
		if followed++; followed > 40 {
			return "", fmt.Errorf("too many links: %s", path)
		}
		if filepath.IsAbs(target) {
			found = "/"
		}
		left = append(strings.Split(strings.Trim(target, "/"), "/"), left...)
	}
	return filepath.Join(root, found), nil
}
