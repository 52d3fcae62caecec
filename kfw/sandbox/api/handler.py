"""The API over HTTP: from a request to the verb, and from what came of it to a response."""

import logging
from collections.abc import AsyncGenerator, Callable, Mapping

import msgspec

from kfw.errors import describe
from kfw.http.messages import Request, Response
from kfw.sandbox.api import access, discovery, errors, kinds
from kfw.sandbox.api.errors import ApiError, about, success
from kfw.sandbox.api.kinds import ApiRoute, route, verb
from kfw.sandbox.api.patch import decode_object, edit_of, scale_of, with_replicas
from kfw.sandbox.api.selectors import Test, by_fields, by_labels
from kfw.sandbox.api.shape import ReplyShape, page, render, render_list, shape
from kfw.sandbox.api.verbs import Edit, Verbs
from kfw.sandbox.api.watch import Watch, frames
from kfw.sandbox.objects import Object, is_leaving, name_of, namespace_of, uid_of

#: The log of a pod: the pod, and the query of the request. Raises ApiError.
Logs = Callable[[Object, Mapping[str, str]], AsyncGenerator[bytes, None]]
#: The answer that makes a connection a tunnel to this pod. Raises ApiError.
PortForward = Callable[[Object, Request], Response]
#: Raises ApiError where this user may not do that just now.
Guard = Callable[[access.User, str, ApiRoute], None]

log = logging.getLogger(__name__)


class ApiHandler:
    """`address` is host:port, as /api names it."""

    def __init__(
        self,
        verbs: Verbs,
        users: access.Users,
        address: str,
        *,
        logs: Logs,
        port_forward: PortForward,
        guard: Guard,
    ) -> None:
        self.users = users
        self.address = address
        self._verbs = verbs
        self._store = verbs.store
        self._logs = logs
        self._port_forward = port_forward
        self._guard = guard

    async def answer(self, request: Request) -> Response:
        try:
            response = self._answer(request)
        except ApiError as problem:
            response = _json(problem.as_status(), problem.code)
        except (AttributeError, LookupError, TypeError, ValueError) as problem:
            # an object of another shape than its kind has; the real server knows all shapes beforehand
            log.warning("cannot understand %s %s", request.method, request.target, exc_info=problem)
            refusal = errors.bad_request(f"the request cannot be understood: {describe(problem)}")
            response = _json(refusal.as_status(), refusal.code)
        log.debug("%s %s %s", request.method, request.target, response.status)
        return response

    def _answer(self, request: Request) -> Response:
        user = self.users.who(request.common_name, request.headers)
        if user is None and not discovery.is_public(request.decoded_path):
            raise errors.unauthorized()
        where = route(request.decoded_path)
        if user is None or where is None:
            return discovery.document(request, self.address)
        doing = verb(request.method, where, watching=request.query.get("watch") in ("1", "true"))
        self._check_access(user, doing, where)
        if where.resource.verbs == kinds.REVIEW:
            return self._review(user, where, doing, request)
        return self._do(doing, where, request)

    def _check_access(self, user: access.User, doing: str, where: ApiRoute) -> None:
        if not doing:
            raise errors.not_allowed()
        self._guard(user, doing, where)
        if not access.may(user, doing, where.resource, where.namespace, where.subresource):
            raise errors.forbidden(user.name, doing, where)

    def _review(self, user: access.User, where: ApiRoute, doing: str, request: Request) -> Response:
        if doing != "create" or where.name:
            raise errors.not_allowed()
        return _json(access.answer_review(user, where.resource, decode_object(request.body)), 201)

    def _do(self, doing: str, where: ApiRoute, request: Request) -> Response:
        if where.subresource == "portforward" and doing in ("create", "get"):
            return self._port_forward(self._store.get(where.resource, where.namespace, where.name), request)
        if where.subresource in ("exec", "attach"):
            raise errors.not_served(f"{where.resource.plural}/{where.subresource}")
        if where.subresource == "eviction":
            return self._evict(where, request)
        match doing:
            case "get":
                return self._get(where, request)
            case "list":
                return self._list(where, request)
            case "watch":
                return self._watch(where, request)
            case "create" if not where.name:
                thing = decode_object(request.body)
                done = self._verbs.create(
                    where.resource, where.namespace, thing, dry=request.query.get("dryRun") == "All"
                )
                return self._render(where, done, request, 201)
            case "update" | "patch" if where.name and where.subresource in ("", "status", "scale"):
                return self._change(doing, where, request)
            case "delete" | "deletecollection" if not where.subresource:
                return self._delete(where, request)
        raise errors.not_allowed()

    def _get(self, where: ApiRoute, request: Request) -> Response:
        thing = self._store.get(where.resource, where.namespace, where.name)
        if where.subresource == "log":
            return Response(200, self._logs(thing, request.query), "text/plain")
        if where.subresource == "scale":
            return _json(scale_of(thing))
        if request.query.get("watch") in ("1", "true"):
            raise errors.bad_request("watch one object by a field selector")
        return self._render(where, thing, request, 200)

    def _list(self, where: ApiRoute, request: Request) -> Response:
        wanted = _selection(where, request)
        things = [one for one in self._store.list(where.resource, where.namespace) if wanted(one)]
        things, metadata = page(things, request.query, self._store.version, self._store.oldest)
        form = shape(request.headers.get("accept", ""))
        return _json(render_list(where.resource, things, form, metadata, self._store.now()))

    def _watch(self, where: ApiRoute, request: Request) -> Response:
        query = request.query
        since = _version(query.get("resourceVersion", ""))
        initial = query.get("sendInitialEvents") == "true"
        watch = Watch(
            where.resource,
            where.namespace,
            _selection(where, request),
            None if initial or since == 0 else since,
            bookmarks=query.get("allowWatchBookmarks") in ("1", "true"),
            mark_initial_end=initial,
            seconds=float(query.get("timeoutSeconds") or 1800),
        )
        return Response(200, self._frames(watch, shape(request.headers.get("accept", ""))))

    async def _frames(self, watch: Watch, form: ReplyShape) -> AsyncGenerator[bytes, None]:
        first = True

        def show(thing: Object) -> Object:
            nonlocal first
            result = render(watch.resource, thing, form, self._store.now(), head=first)
            first = False
            return result

        async for frame in frames(self._store, watch, show):
            yield msgspec.json.encode(frame) + b"\n"

    def _change(self, doing: str, where: ApiRoute, request: Request) -> Response:
        resource, namespace, name = where.resource, where.namespace, where.name
        edit = edit_of(doing, request)
        dry = request.query.get("dryRun") == "All"
        if where.subresource == "scale":
            edit = _of_scale(edit)
        done = self._verbs.update(resource, namespace, name, edit, subresource=where.subresource, dry=dry)
        return (
            _json(scale_of(done)) if where.subresource == "scale" else self._render(where, done, request, 200)
        )

    def _delete(self, where: ApiRoute, request: Request) -> Response:
        options = {**_options(request.query), **decode_object(request.body)}
        dry = request.query.get("dryRun") == "All" or "All" in (options.get("dryRun") or [])
        if where.name:
            done = self._verbs.delete(where.resource, where.namespace, where.name, options, dry=dry)
            if is_leaving(done):
                return self._render(where, done, request, 200)
            return _json(success({**about(where.resource, where.name), "uid": uid_of(done)}))
        wanted = _selection(where, request)
        for thing in self._store.list(where.resource, where.namespace):
            if wanted(thing):
                self._verbs.delete(where.resource, namespace_of(thing), name_of(thing), options, dry=dry)
        return self._list(where, request)

    def _evict(self, where: ApiRoute, request: Request) -> Response:
        options = decode_object(request.body).get("deleteOptions") or {}
        self._verbs.delete(where.resource, where.namespace, where.name, options)
        return _json(success(), 201)

    def _render(self, where: ApiRoute, thing: Object, request: Request, code: int) -> Response:
        form = shape(request.headers.get("accept", ""))
        return _json(render(where.resource, thing, form, self._store.now()), code)


def _json(thing: Object, code: int = 200, *, content_type: str = "application/json") -> Response:
    return Response(code, msgspec.json.encode(thing), content_type)


def _selection(where: ApiRoute, request: Request) -> Test:
    labels = by_labels(request.query.get("labelSelector", ""))
    fields = by_fields(request.query.get("fieldSelector", ""), where.resource)
    return lambda thing: labels(thing) and fields(thing)


def _version(text: str) -> int:
    if text and not text.isdigit():
        raise errors.bad_request(f"invalid resource version: {text}")
    return int(text or 0)


def _options(query: Mapping[str, str]) -> Object:
    options: Object = {key: query[key] for key in ("propagationPolicy",) if key in query}
    return options | (
        {"gracePeriodSeconds": int(query["gracePeriodSeconds"])} if "gracePeriodSeconds" in query else {}
    )


def _of_scale(edit: Edit) -> Edit:
    """The same edit, of the Scale object that stands for the replicas."""
    return lambda thing: with_replicas(thing, edit(scale_of(thing)))
