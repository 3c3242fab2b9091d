"""A protoc plugin that runs grpcio-tools' own Python generators, so that buf can call them.

buf speaks the plugin protocol; `python` and `grpc_python` are built into grpcio-tools' protoc and
have no plugin of their own. The parameter chooses the generator: `python` or `grpc_python`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc


def generate(request: CodeGeneratorRequest) -> CodeGeneratorResponse:
    """The files that the generator named by the parameter makes of the request's protos."""
    files = [
        file.name
        for file in request.proto_file
        if file.name in request.file_to_generate and (file.service or request.parameter == "python")
    ]
    response = CodeGeneratorResponse(supported_features=CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL)
    if not files:
        return response
    with tempfile.TemporaryDirectory() as folder:
        descriptors = Path(folder) / "descriptors.binpb"
        descriptors.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
        output = Path(folder) / "output"
        output.mkdir()
        arguments = [
            "protoc",
            f"--descriptor_set_in={descriptors}",
            f"--{request.parameter}_out={output}",
            *files,
        ]
        if protoc.main(arguments) != 0:
            response.error = f"{request.parameter} generator failed"
            return response
        for path in sorted(output.rglob("*.py")):
            response.file.add(name=str(path.relative_to(output)), content=path.read_text())
    return response


if __name__ == "__main__":
    sys.stdout.buffer.write(
        generate(CodeGeneratorRequest.FromString(sys.stdin.buffer.read())).SerializeToString()
    )
