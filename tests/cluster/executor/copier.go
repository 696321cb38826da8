package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// copier puts files into the file system. They belong to `owner`, else to root or, with keepOwner,
// to whom they belonged; `mode` is that of --chmod.
type copier struct {
	kept      kept
	keepOwner bool
	owner     *owner
	mode      *uint32
	written   []string
}

func (c *copier) copy(item item, target string) error {
	isLink := item.file != nil && item.file.Mode()&fs.ModeSymlink != 0
	path, err := landing(target, isLink)
	if err != nil || c.kept.covers(path) {
		return err
	}
	if item.file != nil && item.file.IsDir() {
		return c.folder(path, item)
	}
	if err := c.folders(filepath.Dir(path), item.file); err != nil {
		return err
	}
	if isFolder(path) && !isLink {
		return fmt.Errorf("copying file: creating file: open %s: is a directory", path)
	}
	if err := c.kept.remove(path); err != nil {
		return err
	}
	c.written = append(c.written, path)
	if isLink {
		link, err := os.Readlink(item.path)
		if err != nil {
			return err
		}
		return os.Symlink(link, path)
	}
	return c.file(item, path)
}

// landing is where it goes in truth: links on the way are followed. A link is not written through.
func landing(target string, isLink bool) (string, error) {
	if !isLink {
		return resolve("/", target)
	}
	folder, err := resolve("/", filepath.Dir(target))
	return filepath.Join(folder, filepath.Base(target)), err
}

// folders makes what is missing of a path. The last one belongs to whom what is copied there does.
func (c *copier) folders(path string, from fs.FileInfo) error {
	if isFolder(path) {
		return nil
	}
	root := &copier{kept: c.kept}
	err := root.folders(filepath.Dir(path), nil)
	c.written = append(c.written, root.written...)
	if err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	c.written = append(c.written, path)
	return c.give(path, from)
}

// folder has the mode of the one it is copied from, but the one that COPY names does not.
func (c *copier) folder(path string, item item) error {
	isNew := !isFolder(path)
	if err := c.folders(path, item.file); err != nil {
		return err
	}
	if item.name == "" {
		c.written = append(c.written, path)
		return c.give(path, item.file)
	}
	if !isNew {
		return nil
	}
	return c.describe(path, item.file)
}

func (c *copier) file(item item, path string) error {
	if item.file == nil {
		if err := writeFile(path, strings.NewReader(item.text)); err != nil {
			return err
		}
		return c.describe(path, nil)
	}
	if !item.file.Mode().IsRegular() {
		return fmt.Errorf("cannot copy %s, which is no file", item.path)
	}
	content, err := os.Open(item.path)
	if err != nil {
		return err
	}
	defer content.Close()
	if err := writeFile(path, content); err != nil {
		return err
	}
	return c.describe(path, item.file)
}

// describe gives away what it copied last, which takes set-user-id bits off: so it is with Kaniko.
func (c *copier) describe(path string, from fs.FileInfo) error {
	mode := fs.FileMode(0o644)
	if from != nil {
		mode = from.Mode()
	}
	if err := os.Chmod(path, mode); err != nil {
		return err
	}
	if err := c.give(path, from); err != nil {
		return err
	}
	if c.mode != nil && (from == nil || !from.IsDir()) {
		if err := unix.Chmod(path, *c.mode); err != nil {
			return err
		}
	}
	if from == nil {
		return nil
	}
	return os.Chtimes(path, from.ModTime(), from.ModTime())
}

func (c *copier) give(path string, from fs.FileInfo) error {
	if c.owner != nil {
		return os.Lchown(path, c.owner.uid, c.owner.gid)
	}
	if c.keepOwner && from != nil {
		inode := from.Sys().(*syscall.Stat_t)
		return os.Lchown(path, int(inode.Uid), int(inode.Gid))
	}
	return os.Lchown(path, 0, 0)
}

// makeWorkdir makes the folder that WORKDIR names. It belongs to the user, and to the group of that
// number: so it is with Kaniko.
func (s *stage) makeWorkdir() (*change, error) {
	path, err := resolve("/", s.workdir())
	if err != nil {
		return nil, err
	}
	copier := &copier{kept: s.files.kept}
	if s.config.User != "" {
		who, err := userOf(s.config.User)
		if err != nil {
			return nil, err
		}
		copier.owner = &owner{uid: int(who.uid), gid: int(who.uid)}
	}
	if err := copier.folders(path, nil); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return &change{written: copier.written}, nil
}
