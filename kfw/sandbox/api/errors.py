"""What the API says when it cannot: `ApiError` becomes a Status object, in the words of the real API server (1.34)."""

from collections.abc import Iterable

from kfw.sandbox.api.kinds import ApiRoute, Resource
from kfw.sandbox.objects import Object


class ApiError(Exception):
    """`code` is the HTTP status, `reason` the machine's word for it, `details` what Status.details holds."""

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def as_status(self) -> Object:
        status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        status |= {"message": self.message, "reason": self.reason}
        if self.details:
            status["details"] = self.details
        return status | {"code": self.code}


def success(details: Object | None = None) -> Object:
    status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return status | {"details": details} if details else status


def about(resource: Resource, name: str) -> Object:
    group = {"group": resource.group} if resource.group else {}
    return {"name": name, **group, "kind": resource.plural}


def not_found(resource: Resource, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{resource} "{name}" not found', about(resource, name))


def no_such_path() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(resource: Resource, name: str) -> ApiError:
    return ApiError(409, "AlreadyExists", f'{resource} "{name}" already exists', about(resource, name))


def conflict(resource: Resource, name: str, why: str = "") -> ApiError:
    why = why or (
        "the object has been modified; please apply your changes to the latest version and try again"
    )
    message = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return ApiError(409, "Conflict", message, about(resource, name))


def expired(version: int, oldest: int) -> ApiError:
    return ApiError(410, "Expired", f"too old resource version: {version} ({oldest})")


def invalid(
    resource: Resource, name: str, field: str, why: str, reason: str = "FieldValueInvalid"
) -> ApiError:
    """One cause; `why` as the server says it, for example `Invalid value: 80: provided port is not in the valid range`."""
    group = f".{resource.group}" if resource.group else ""
    causes = [{"reason": reason, "message": why, "field": field}]
    details = {**about(resource, name), "kind": resource.kind, "causes": causes}
    return ApiError(422, "Invalid", f'{resource.kind}{group} "{name}" is invalid: {field}: {why}', details)


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def not_allowed() -> ApiError:
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def unsupported_media(content_type: str) -> ApiError:
    message = f"the body of the request was in an unknown format - {content_type} is not understood"
    return ApiError(415, "UnsupportedMediaType", message, {})


def unsupported_patch(accepted: Iterable[str]) -> ApiError:
    """In the words of apiserver/pkg/endpoints/handlers/negotiation, errors.go."""
    known = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {known}"
    return ApiError(415, "UnsupportedMediaType", message, {})


def not_served(what: str) -> ApiError:
    return ApiError(501, "NotImplemented", f"the sandbox does not serve {what}", {})


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(user: str, verb: str, where: ApiRoute) -> ApiError:
    scope = f'in the namespace "{where.namespace}"' if where.namespace else "at the cluster scope"
    resource = where.resource
    subject = f'{resource} "{where.name}"' if where.name else str(resource)
    asked = f"{resource.plural}/{where.subresource}" if where.subresource else resource.plural
    message = (
        f'{subject} is forbidden: User "{user}" cannot {verb} resource "{asked}" '
        f'in API group "{resource.group}" {scope}'
    )
    return ApiError(403, "Forbidden", message, about(resource, where.name))


def forbidden_because(resource: Resource, namespace: str) -> ApiError:
    """A namespace that is going takes nothing new."""
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    return ApiError(403, "Forbidden", f"{resource} is forbidden: {why}", {"kind": resource.plural})


def not_allowed_shape(accept: str) -> ApiError:
    message = "only the following media types are accepted: application/json, application/json;as=Table"
    return ApiError(406, "NotAcceptable", message, {})
