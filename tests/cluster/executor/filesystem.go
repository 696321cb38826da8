package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// fileSystem is that of this container, as far as it is the image's: without what is mounted, and
// without this program. `known` is how it was seen last; nil before that.
type fileSystem struct {
	kept   kept
	known  view
	layers int
	dirty  bool
}

// kept are the paths that no image has a part in.
type kept []string

// view is what tells that a file has changed, by path.
type view map[string]state

type state struct {
	mode     fs.FileMode
	uid      uint32
	gid      uint32
	size     int64
	modified int64
	link     string
}

// change is what a step did, by path.
type change struct {
	written []string
	removed []string
}

func newFileSystem() (*fileSystem, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	found := kept{kanikoFolder, "/proc", "/sys", "/dev", "/var/run", "/etc/mtab"}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] != "/" {
			found = append(found, fields[4])
		}
	}
	return &fileSystem{kept: found}, os.MkdirAll(kanikoFolder+"/layers", 0o755)
}

// covers tells whether the path is kept, alone or with a folder above it.
func (k kept) covers(path string) bool {
	return slices.ContainsFunc(k, func(place string) bool {
		return path == place || strings.HasPrefix(path, place+"/")
	})
}

// holds tells whether something below the path is kept.
func (k kept) holds(path string) bool {
	return slices.ContainsFunc(k, func(place string) bool { return strings.HasPrefix(place, path+"/") })
}

// remove takes away what is at the path, but for what is kept below it.
func (k kept) remove(path string) error {
	if k.covers(path) {
		return nil
	}
	if !k.holds(path) {
		return os.RemoveAll(path)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := k.remove(filepath.Join(path, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// clear makes room for the next stage.
func (f *fileSystem) clear() error {
	if !f.dirty {
		return nil
	}
	f.known, f.dirty = nil, false
	entries, err := os.ReadDir("/")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := f.kept.remove("/" + entry.Name()); err != nil {
			return err
		}
	}
	return nil
}

func (f *fileSystem) unpack(image v1.Image) error {
	f.dirty = true
	return unpack(image, "/", f.kept)
}

// seen is the whole file system as it was after the last step.
func (f *fileSystem) seen() (view, error) {
	if f.known == nil {
		info("Initializing snapshotter ...")
		info("Taking snapshot of full filesystem...")
		found, err := f.look()
		if err != nil {
			return nil, err
		}
		f.known = found
	}
	return f.known, nil
}

func (f *fileSystem) look() (view, error) {
	found := view{}
	err := filepath.WalkDir("/", func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if f.kept.covers(path) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if path != "/" {
			if seen, err := stateOf(path); err == nil {
				found[path] = seen
			}
		}
		return nil
	})
	return found, err
}

func stateOf(path string) (state, error) {
	file, err := os.Lstat(path)
	if err != nil {
		return state{}, err
	}
	owner := file.Sys().(*syscall.Stat_t)
	found := state{mode: file.Mode(), uid: owner.Uid, gid: owner.Gid}
	if !file.IsDir() {
		found.size, found.modified = file.Size(), file.ModTime().UnixNano()
	}
	if file.Mode()&fs.ModeSymlink != 0 {
		found.link, err = os.Readlink(path)
	}
	return found, err
}

func (f *fileSystem) changesSince(before view) (*change, error) {
	info("Taking snapshot of full filesystem...")
	now, err := f.look()
	if err != nil {
		return nil, err
	}
	f.known = now
	var found change
	for path, seen := range now {
		if old, was := before[path]; !was || old != seen {
			found.written = append(found.written, path)
		}
	}
	for path := range before {
		if _, is := now[path]; !is && now.isFolder(filepath.Dir(path)) {
			found.removed = append(found.removed, path)
		}
	}
	return &found, nil
}

func (v view) isFolder(path string) bool {
	return path == "/" || v[path].mode.IsDir()
}

// layer writes down a change; nil where nothing changed.
func (f *fileSystem) layer(change *change, kind types.MediaType) (v1.Layer, error) {
	if f.known != nil {
		for _, path := range change.written {
			if seen, err := stateOf(path); err == nil {
				f.known[path] = seen
			}
		}
	}
	names := f.names(change.written)
	if len(names)+len(change.removed) == 0 {
		return nil, nil
	}
	f.layers++
	file, err := writeLayer(f.layers, names, change.removed)
	if err != nil {
		return nil, err
	}
	return tarball.LayerFromFile(file, tarball.WithMediaType(kind))
}

// names are the paths that are the image's, without double.
func (f *fileSystem) names(paths []string) []string {
	names := slices.DeleteFunc(slices.Clone(paths), f.kept.covers)
	slices.Sort(names)
	return slices.Compact(names)
}
