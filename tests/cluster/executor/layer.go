package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sys/unix"
)

const (
	whiteout     = ".wh."
	opaque       = ".wh..wh..opq"
	capabilities = "security.capability"
	inHeader     = "SCHILY.xattr." + capabilities
)

// layerWriter writes a layer to a file, and holds none of it in memory.
type layerWriter struct {
	tar   *tar.Writer
	done  map[string]bool
	links map[uint64]string
}

// writeLayer gives the file's path. Folders above what changed are in the layer, too.
func writeLayer(number int, written, removed []string) (string, error) {
	path := fmt.Sprintf("%s/layers/%d.tar.gz", kanikoFolder, number)
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	compressed, err := gzip.NewWriterLevel(file, gzip.BestSpeed)
	if err != nil {
		return "", err
	}
	writer := &layerWriter{
		tar: tar.NewWriter(compressed), done: map[string]bool{}, links: map[uint64]string{},
	}
	if err := writer.write(written, removed); err != nil {
		return "", err
	}
	return path, errors.Join(writer.tar.Close(), compressed.Close(), file.Close())
}

func (w *layerWriter) write(written, removed []string) error {
	for _, path := range written {
		if err := w.add(path); err != nil {
			return err
		}
	}
	slices.Sort(removed)
	for _, path := range removed {
		if err := w.addParents(path); err != nil {
			return err
		}
		name := filepath.Join(filepath.Dir(path), whiteout+filepath.Base(path))
		header := &tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(name, "/")}
		if err := w.tar.WriteHeader(header); err != nil {
			return err
		}
	}
	return nil
}

func (w *layerWriter) addParents(path string) error {
	if parent := filepath.Dir(path); parent != "/" {
		return w.add(parent)
	}
	return nil
}

func (w *layerWriter) add(path string) error {
	if w.done[path] {
		return nil
	}
	w.done[path] = true
	if err := w.addParents(path); err != nil {
		return err
	}
	file, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && file.Mode()&fs.ModeSocket != 0 {
		return nil
	}
	if err != nil {
		return err
	}
	header, err := w.header(path, file)
	if err != nil {
		return err
	}
	if err := w.tar.WriteHeader(header); err != nil {
		return err
	}
	if header.Typeflag != tar.TypeReg {
		return nil
	}
	return w.content(path, header.Size)
}

func (w *layerWriter) header(path string, file fs.FileInfo) (*tar.Header, error) {
	var link string
	var err error
	if file.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(path); err != nil {
			return nil, err
		}
	}
	header, err := tar.FileInfoHeader(file, link)
	if err != nil {
		return nil, err
	}
	header.Name, header.Uname, header.Gname = strings.TrimPrefix(path, "/"), "", ""
	if file.IsDir() {
		header.Name += "/"
	}
	if file.Mode().IsRegular() {
		w.joinLinks(header, file)
		header.PAXRecords = capabilitiesOf(path)
	}
	return header, nil
}

// joinLinks makes the second name of a file a hard link to the first, where both are in the layer.
func (w *layerWriter) joinLinks(header *tar.Header, file fs.FileInfo) {
	inode := file.Sys().(*syscall.Stat_t)
	if inode.Nlink < 2 {
		return
	}
	if first, known := w.links[inode.Ino]; known {
		header.Typeflag, header.Linkname, header.Size = tar.TypeLink, first, 0
		return
	}
	w.links[inode.Ino] = header.Name
}

func (w *layerWriter) content(path string, size int64) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.CopyN(w.tar, file, size)
	return err
}

func capabilitiesOf(path string) map[string]string {
	content := make([]byte, 64)
	size, err := unix.Lgetxattr(path, capabilities, content)
	if err != nil || size <= 0 {
		return nil
	}
	return map[string]string{inHeader: string(content[:size])}
}
