# One image for all of Gitlatch's commands: each is a static binary at the root, chosen by `command` in a pod, or as the
# first word:
#
#   docker build -t gitlatch .
#   docker run --rm gitlatch /applier --help
#
# The flags are those of `make build` (Makefile, BUILDFLAGS and LDFLAGS), so that image and host build the same bytes
# from the same source. Both bases are pinned by tag; who releases should pin them by digest as well, from a registry
# that they trust.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH
ENV CGO_ENABLED=0 GOFLAGS=-mod=readonly GOTOOLCHAIN=local
RUN GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false \
    -ldflags "-s -w -buildid=" -o /out/ ./cmd/...

# No shell, no package manager, no libc: nothing to exec into.
FROM gcr.io/distroless/static:nonroot
LABEL org.opencontainers.image.title=gitlatch \
      org.opencontainers.image.licenses=Apache-2.0
COPY --from=build /out/ /
# nonroot's number, so that runAsNonRoot can be checked.
USER 65532:65532
# No ENTRYPOINT: a pod that forgets to say which command it is for must fail, and not become another one.
