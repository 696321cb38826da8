package main

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// registry pulls and pushes, with the login of DOCKER_CONFIG.
type registry struct {
	insecure      []string
	pushRetry     int
	downloadRetry int
}

func newRegistry(options *options) *registry {
	return &registry{
		insecure:      options.insecure,
		pushRetry:     options.pushRetry,
		downloadRetry: options.downloadRetry,
	}
}

// destination is a tag, where the image goes.
func (r *registry) destination(text string) (name.Reference, error) {
	found, err := name.NewTag(text)
	if err != nil || !slices.Contains(r.insecure, found.RegistryStr()) {
		return found, err
	}
	return name.NewTag(text, name.Insecure)
}

func (r *registry) reference(text string) (name.Reference, error) {
	found, err := name.ParseReference(text)
	if err != nil || !slices.Contains(r.insecure, found.Context().RegistryStr()) {
		return found, err
	}
	return name.ParseReference(text, name.Insecure)
}

// checkPush asks before anything is built.
func (r *registry) checkPush(text string) error {
	hint := "make sure you entered the correct tag name, that you are authenticated correctly, and try again."
	destination, err := r.destination(text)
	if err != nil {
		warn("%s", hint)
		return fmt.Errorf("getting tag for destination: %w", err)
	}
	err = remote.CheckPushPermission(destination, authn.DefaultKeychain, http.DefaultTransport)
	if err != nil {
		warn("%s", hint)
		return fmt.Errorf("checking push permission for %q: %w", text, err)
	}
	return nil
}

// pull gets the manifest; layers are read when they are needed.
func (r *registry) pull(text string) (v1.Image, error) {
	info("Retrieving image manifest %s", text)
	reference, err := r.reference(text)
	if err != nil {
		return nil, fmt.Errorf("could not parse reference: %s", text)
	}
	var image v1.Image
	err = again(r.downloadRetry, func() error {
		image, err = remote.Image(reference, r.login(), remote.WithPlatform(platform))
		return err
	})
	return image, err
}

func (r *registry) push(text string, image v1.Image) error {
	info("Pushing image to %s", text)
	destination, err := r.destination(text)
	if err != nil {
		return err
	}
	err = again(r.pushRetry, func() error { return remote.Write(destination, image, r.login()) })
	if err != nil {
		return fmt.Errorf("failed to push to destination %s: %w", text, err)
	}
	digest, err := image.Digest()
	info("Pushed %s@%s", destination.Context(), digest)
	return err
}

func (r *registry) login() remote.Option {
	return remote.WithAuthFromKeychain(authn.DefaultKeychain)
}

// again tries once more after 1, 2, 4… seconds.
func again(times int, action func() error) error {
	err := action()
	for number, wait := 0, time.Second; err != nil && number < times; number, wait = number+1, 2*wait {
		warn("Retrying operation after %s due to %v", wait, err)
		time.Sleep(wait)
		err = action()
	}
	if err != nil && times > 0 {
		return fmt.Errorf("unable to complete operation after %d attempts, last error: %w", times, err)
	}
	return err
}
